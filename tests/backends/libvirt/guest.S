# A guest that needs no operating system: one boot sector. It counts on the first serial port, one line each second,
# from a counter in memory alone; so a count that goes on is memory that was kept.
#
# The three bytes at "after" are filled in: after so many ticks (55 ms each; 0 is never) it does what "what" says:
# 'o' turns itself off, 'c' panics by way of the pvpanic device, 's' stands still. The power button turns it off as well.
#
# as --32 guest.S -o guest.o && objcopy -O binary -j .text guest.o guest.bin
    .code16
    .text
start:
    cli
    xor %ax, %ax
    mov %ax, %ds
    mov %ax, %ss
    mov $0x7000, %sp
    ljmp $0, $0x7c00 + (ready - start)
ready:
    sti
    mov $0x602, %dx             # the power button sets its status bit, and nothing else needs to be woken
    mov $0x0100, %ax
    out %ax, %dx
    xor %edi, %edi              # the count
    mov (0x7c00 + after - start), %bp
line:
    inc %edi
    mov %edi, %eax
    xor %cx, %cx
divide:
    xor %edx, %edx
    mov $10, %ebx
    div %ebx
    push %dx
    inc %cx
    test %eax, %eax
    jnz divide
digits:
    pop %ax
    add $'0', %al
    call say
    loop digits
    mov $'\n', %al
    call say
    mov $18, %si
wait:
    mov (0x46c), %ax            # the BIOS counts ticks here
same:
    hlt
    cmp (0x46c), %ax
    je same
    mov $0x600, %dx
    in %dx, %ax
    test $1, %ah
    jnz off
    test %bp, %bp
    jz tick
    dec %bp
    jz act
tick:
    dec %si
    jnz wait
    jmp line
act:
    cmpb $'s', (0x7c00 + what - start)
    je stand
    cmpb $'c', (0x7c00 + what - start)
    jne off
    mov $0x505, %dx
    mov $1, %al
    out %al, %dx
    jmp stand
off:
    mov $'!', %al
    call say
    mov $0x604, %dx
    mov $0x2000, %ax
    out %ax, %dx
stand:
    hlt
    jmp stand
say:
    mov $0x3f8, %dx
    out %al, %dx
    ret
    .org 500
after:
    .word 0
what:
    .byte 'o'
    .org 510
    .word 0xaa55
