"""A file of Haizea 1.x in which every option is given."""

COMPLETE = """\
; a complete configuration
[general]
loglevel: DEBUG
logfile: /tmp/h.log
mode: simulated
lease-preparation: imagetransfer
lease-failure-handling: exit-raise
persistence-file: none

[scheduling]
mapper: deadline
policy-admission: no-ARs
policy-preemption: ar-preempts-everything
policy-host-selection: no-policy
policy-pricing: constant
wakeup-interval: 10
backfilling: intermediate
backfilling-reservations: 4
suspension: serial-only
suspend-rate: 32.0
resume-rate: 50
suspendresume-exclusion: global
scheduling-threshold-factor: 2
force-scheduling-threshold: 60
override-suspend-time: 5
override-resume-time: 6
migration: yes-notransfer
non-schedulable-interval: 5
shutdown-time: 3
enactment-overhead: 1

[simulation]
clock: simulated
starttime: 2006-11-25 13:00:00
resources: 4  CPU:100 Memory:1024
imagetransfer-bandwidth: 100
stop-when: exact
stop-when-time: 01:00:00:00
status-message-interval: 15
sanity-check: no

[deploy-imagetransfer]
transfer-mechanism: unicast
avoid-redundant-transfers: False
force-imagetransfer-time: 30
diskimage-reuse: image-caches
diskimage-cache-size: 20480

[tracefile]
tracefile: a.lwf
annotationfile: a.lwfa
injectionfile: b.lwf
runtime-slowdown-overhead: 10.5
add-overhead: besteffort
bootshutdown-overhead: 30
override-memory: -1

[accounting]
datafile: results.dat
probes: ar best-effort immediate cpu-utilization
attributes: profile=easy,site=small

[opennebula]
host: localhost
port: 2633
stop-when-no-more-leases: True
dry-run: yes

[pricing]
rate: 0.10
seed: 100
min-rate: 0.05
max-rate: 0.20
"""
