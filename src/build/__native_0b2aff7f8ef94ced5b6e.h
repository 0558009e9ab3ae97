#ifndef MYPYC_NATIVE_0b2aff7f8ef94ced5b6e_H
#define MYPYC_NATIVE_0b2aff7f8ef94ced5b6e_H
#include <Python.h>
#include <CPy.h>
#ifndef MYPYC_DECLARED_tuple_T3III
#define MYPYC_DECLARED_tuple_T3III
typedef struct tuple_T3III {
    CPyTagged f0;
    CPyTagged f1;
    CPyTagged f2;
} tuple_T3III;
#endif

#ifndef MYPYC_DECLARED_tuple_T2II
#define MYPYC_DECLARED_tuple_T2II
typedef struct tuple_T2II {
    CPyTagged f0;
    CPyTagged f1;
} tuple_T2II;
#endif

#ifndef MYPYC_DECLARED_tuple_T0
#define MYPYC_DECLARED_tuple_T0
typedef struct tuple_T0 {
    int empty_struct_error_flag;
} tuple_T0;
#endif

#ifndef MYPYC_DECLARED_tuple_T3CIO
#define MYPYC_DECLARED_tuple_T3CIO
typedef struct tuple_T3CIO {
    char f0;
    CPyTagged f1;
    PyObject *f2;
} tuple_T3CIO;
#endif

#ifndef MYPYC_DECLARED_tuple_T2OI
#define MYPYC_DECLARED_tuple_T2OI
typedef struct tuple_T2OI {
    PyObject *f0;
    CPyTagged f1;
} tuple_T2OI;
#endif

#ifndef MYPYC_DECLARED_tuple_T2T2OIT2OI
#define MYPYC_DECLARED_tuple_T2T2OIT2OI
typedef struct tuple_T2T2OIT2OI {
    tuple_T2OI f0;
    tuple_T2OI f1;
} tuple_T2T2OIT2OI;
#endif

#ifndef MYPYC_DECLARED_tuple_T5IOIIO
#define MYPYC_DECLARED_tuple_T5IOIIO
typedef struct tuple_T5IOIIO {
    CPyTagged f0;
    PyObject *f1;
    CPyTagged f2;
    CPyTagged f3;
    PyObject *f4;
} tuple_T5IOIIO;
#endif

#ifndef MYPYC_DECLARED_tuple_T5IIIIO
#define MYPYC_DECLARED_tuple_T5IIIIO
typedef struct tuple_T5IIIIO {
    CPyTagged f0;
    CPyTagged f1;
    CPyTagged f2;
    CPyTagged f3;
    PyObject *f4;
} tuple_T5IIIIO;
#endif

#ifndef MYPYC_DECLARED_tuple_T3OIO
#define MYPYC_DECLARED_tuple_T3OIO
typedef struct tuple_T3OIO {
    PyObject *f0;
    CPyTagged f1;
    PyObject *f2;
} tuple_T3OIO;
#endif

#ifndef MYPYC_DECLARED_tuple_T4IOII
#define MYPYC_DECLARED_tuple_T4IOII
typedef struct tuple_T4IOII {
    CPyTagged f0;
    PyObject *f1;
    CPyTagged f2;
    CPyTagged f3;
} tuple_T4IOII;
#endif

#ifndef MYPYC_DECLARED_tuple_T2OO
#define MYPYC_DECLARED_tuple_T2OO
typedef struct tuple_T2OO {
    PyObject *f0;
    PyObject *f1;
} tuple_T2OO;
#endif

#ifndef MYPYC_DECLARED_tuple_T3OOI
#define MYPYC_DECLARED_tuple_T3OOI
typedef struct tuple_T3OOI {
    PyObject *f0;
    PyObject *f1;
    CPyTagged f2;
} tuple_T3OOI;
#endif

#ifndef MYPYC_DECLARED_tuple_T2IO
#define MYPYC_DECLARED_tuple_T2IO
typedef struct tuple_T2IO {
    CPyTagged f0;
    PyObject *f1;
} tuple_T2IO;
#endif

#ifndef MYPYC_DECLARED_tuple_T3T2IOT2IOT2IO
#define MYPYC_DECLARED_tuple_T3T2IOT2IOT2IO
typedef struct tuple_T3T2IOT2IOT2IO {
    tuple_T2IO f0;
    tuple_T2IO f1;
    tuple_T2IO f2;
} tuple_T3T2IOT2IOT2IO;
#endif

#ifndef MYPYC_DECLARED_tuple_T4T2OIT2OIT2OIT2OI
#define MYPYC_DECLARED_tuple_T4T2OIT2OIT2OIT2OI
typedef struct tuple_T4T2OIT2OIT2OIT2OI {
    tuple_T2OI f0;
    tuple_T2OI f1;
    tuple_T2OI f2;
    tuple_T2OI f3;
} tuple_T4T2OIT2OIT2OIT2OI;
#endif

#ifndef MYPYC_DECLARED_tuple_T1O
#define MYPYC_DECLARED_tuple_T1O
typedef struct tuple_T1O {
    PyObject *f0;
} tuple_T1O;
#endif

#ifndef MYPYC_DECLARED_tuple_T3OOO
#define MYPYC_DECLARED_tuple_T3OOO
typedef struct tuple_T3OOO {
    PyObject *f0;
    PyObject *f1;
    PyObject *f2;
} tuple_T3OOO;
#endif

#ifndef MYPYC_DECLARED_tuple_T4CIOO
#define MYPYC_DECLARED_tuple_T4CIOO
typedef struct tuple_T4CIOO {
    char f0;
    CPyTagged f1;
    PyObject *f2;
    PyObject *f3;
} tuple_T4CIOO;
#endif

#ifndef MYPYC_DECLARED_tuple_T1I
#define MYPYC_DECLARED_tuple_T1I
typedef struct tuple_T1I {
    CPyTagged f0;
} tuple_T1I;
#endif

#ifndef MYPYC_DECLARED_tuple_T3OII
#define MYPYC_DECLARED_tuple_T3OII
typedef struct tuple_T3OII {
    PyObject *f0;
    CPyTagged f1;
    CPyTagged f2;
} tuple_T3OII;
#endif

#ifndef MYPYC_DECLARED_tuple_T4OIOI
#define MYPYC_DECLARED_tuple_T4OIOI
typedef struct tuple_T4OIOI {
    PyObject *f0;
    CPyTagged f1;
    PyObject *f2;
    CPyTagged f3;
} tuple_T4OIOI;
#endif

#ifndef MYPYC_DECLARED_tuple_T4IIII
#define MYPYC_DECLARED_tuple_T4IIII
typedef struct tuple_T4IIII {
    CPyTagged f0;
    CPyTagged f1;
    CPyTagged f2;
    CPyTagged f3;
} tuple_T4IIII;
#endif

#ifndef MYPYC_DECLARED_tuple_T4OOII
#define MYPYC_DECLARED_tuple_T4OOII
typedef struct tuple_T4OOII {
    PyObject *f0;
    PyObject *f1;
    CPyTagged f2;
    CPyTagged f3;
} tuple_T4OOII;
#endif

#ifndef MYPYC_DECLARED_tuple_T4IIIO
#define MYPYC_DECLARED_tuple_T4IIIO
typedef struct tuple_T4IIIO {
    CPyTagged f0;
    CPyTagged f1;
    CPyTagged f2;
    PyObject *f3;
} tuple_T4IIIO;
#endif

#ifndef MYPYC_DECLARED_tuple_T3IIC
#define MYPYC_DECLARED_tuple_T3IIC
typedef struct tuple_T3IIC {
    CPyTagged f0;
    CPyTagged f1;
    char f2;
} tuple_T3IIC;
#endif

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    CPyTagged _real;
    CPyTagged _left;
    PyObject *_since;
    CPyTagged _turn;
} haizea___backends___simulated____GuestsObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    PyObject *__guests;
    PyObject *__ends;
    CPyTagged _next_at;
} haizea___backends___simulated___SimulatedBackendObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    PyObject *__desk;
    PyObject *__booking;
    char __unprepared;
    CPyTagged __looked_at;
    PyObject *__seen;
} haizea___core___backfilling___BackfillingObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    PyObject *__desk;
    PyObject *__execution;
} haizea___core___booking___BookingObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    PyObject *__desk;
    PyObject *__booking;
    PyObject *__execution;
    PyObject *__room;
} haizea___core___deadlines___DeadlinesObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    PyObject *___mypyc_self__;
    PyObject *_self;
    CPyTagged _after;
} haizea___core___deadlines____plan_anew_Deadlines_envObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    vectorcallfunc vectorcall;
    PyObject *___mypyc_env__;
} haizea___core___deadlines_____mypyc_lambda__0__plan_anew_Deadlines_objObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    PyObject *___mypyc_self__;
} haizea___core___deadlines___move_up_Deadlines_envObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    vectorcallfunc vectorcall;
    PyObject *___mypyc_env__;
} haizea___core___deadlines_____mypyc_lambda__1_move_up_Deadlines_objObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    CPyTagged _at;
    PyObject *_lease;
} haizea___core___desk___RetiredObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    PyObject *_site;
    CPyTagged _now;
    PyObject *_options;
    PyObject *_policies;
    PyObject *_announced;
    PyObject *_table;
    PyObject *_hosts;
    PyObject *_needs;
    PyObject *_planner;
    PyObject *_preemption;
    PyObject *_images;
    PyObject *_site_view;
    PyObject *_leases;
    PyObject *_queue;
    CPyTagged _queue_least;
    PyObject *_reserved;
    PyObject *_freed_until;
    char _has_deadlines;
    PyObject *_effects;
    PyObject *__timers;
    CPyTagged __sequence;
} haizea___core___desk___DeskObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    PyObject *__desk;
} haizea___core___execution___ExecutionObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    PyObject *__desk;
    PyObject *__execution;
    PyObject *__repair;
    PyObject *__restarts;
    PyObject *__over;
} haizea___core___reactions___ReactionsObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    PyObject *__desk;
    PyObject *__execution;
    PyObject *__booking;
} haizea___core___repair___RepairObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    PyObject *__desk;
    PyObject *__booking;
    PyObject *__room;
} haizea___core___reservations___ReservationsObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    PyObject *__desk;
    PyObject *__booking;
    PyObject *__execution;
} haizea___core___room___RoomObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    PyObject *___mypyc_self__;
    PyObject *_self;
    CPyTagged _start;
    CPyTagged _end;
    PyObject *_changes;
    char _None;
    PyObject *_desk;
    PyObject *_give_way;
} haizea___core___room___make_Room_envObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    vectorcallfunc vectorcall;
    PyObject *___mypyc_env__;
} haizea___core___room___give_way_make_Room_objObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    uint32_t mypyc_running;
    PyObject *___mypyc_generator_frame_attribute__lease;
    CPyTagged ___mypyc_generator_frame_attribute__left;
    PyObject *___mypyc_generator_frame_attribute__images;
    int32_t ___mypyc_next_label__;
    tuple_T2IO ___mypyc_generator_frame_attribute__before;
} haizea___core___room____as_of_genObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    PyObject *_desk;
    PyObject *__execution;
    PyObject *__booking;
    PyObject *__backfilling;
    PyObject *__reservations;
    PyObject *__deadlines;
    PyObject *__reactions;
    PyObject *__arrived;
    CPyTagged __order;
    PyObject *__possible;
    PyObject *__handlers;
} haizea___core___scheduler___SchedulerObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    vectorcallfunc vectorcall;
    CPyTagged __DATES_MAX;
    PyObject *__dates;
    PyObject *__minutes;
    PyObject *__seconds;
} haizea___experiments___records___IsoObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    PyObject *_count;
    PyObject *_waits;
    PyObject *_slowdowns;
    PyObject *_rejections;
    PyObject *_last_best_effort;
    CPyTagged _done;
    PyObject *_used;
    CPyTagged _preemptions;
    CPyTagged _suspensions;
    CPyTagged _resumptions;
    CPyTagged _migrations;
    CPyTagged _requeued;
    CPyTagged _transfers;
    CPyTagged _lost;
    PyObject *_overhead;
    PyObject *__wanted;
    PyObject *__usage;
    PyObject *__iso;
} haizea___experiments___records___LedgerObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    uint32_t mypyc_running;
    PyObject *___mypyc_generator_frame_attribute__lease;
    PyObject *___mypyc_generator_frame_attribute__table;
    PyObject *___mypyc_generator_frame_attribute__exclusion;
    int32_t ___mypyc_next_label__;
    int64_t ___mypyc_temp__3_haizea___experiments___records___operations_gen_0;
    CPyTagged ___mypyc_generator_frame_attribute__start;
    CPyTagged ___mypyc_generator_frame_attribute__end;
    int64_t ___mypyc_temp__3_haizea___experiments___records___operations_gen_3;
    PyObject *___mypyc_generator_frame_attribute__kind;
    PyObject *___mypyc_generator_frame_attribute__outcome;
    int64_t ___mypyc_temp__3_haizea___experiments___records___operations_gen_6;
    PyObject *___mypyc_generator_frame_attribute__vms_of;
    PyObject *___mypyc_temp__3_haizea___experiments___records___operations_gen_8;
    CPyTagged ___mypyc_temp__3_haizea___experiments___records___operations_gen_9;
    PyObject *___mypyc_temp__2_haizea___experiments___records___operations_gen_0;
    int64_t ___mypyc_temp__2_haizea___experiments___records___operations_gen_1;
    PyObject *___mypyc_temp__2_haizea___experiments___records___operations_gen_2;
    PyObject *___mypyc_temp__2_haizea___experiments___records___operations_gen_3;
    int64_t ___mypyc_temp__2_haizea___experiments___records___operations_gen_4;
    int64_t ___mypyc_temp__2_haizea___experiments___records___operations_gen_5;
    PyObject *___mypyc_temp__2_haizea___experiments___records___operations_gen_6;
} haizea___experiments___records___operations_genObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    uint32_t mypyc_running;
    PyObject *___mypyc_generator_frame_attribute__lease;
    PyObject *___mypyc_generator_frame_attribute__entry;
    PyObject *___mypyc_generator_frame_attribute__hosts;
    PyObject *___mypyc_generator_frame_attribute__vms_of;
    PyObject *___mypyc_generator_frame_attribute__exclusion;
    int32_t ___mypyc_next_label__;
    int64_t ___mypyc_temp__3_haizea___experiments___records____one_at_a_time_gen_0;
    PyObject *___mypyc_temp__2_haizea___experiments___records____one_at_a_time_gen_0;
} haizea___experiments___records____one_at_a_time_genObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    vectorcallfunc vectorcall;
} haizea___model___lease___type_LeaseTerms_objObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    vectorcallfunc vectorcall;
} haizea___model___lease___node_count_LeaseTerms_objObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    vectorcallfunc vectorcall;
} haizea___model___lease___memory_LeaseTerms_objObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    vectorcallfunc vectorcall;
} haizea___model___lease___final_LeaseState_objObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    vectorcallfunc vectorcall;
} haizea___model___lease___label_LeaseState_objObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    vectorcallfunc vectorcall;
} haizea___model___reason_____str___3_Reason_objObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    PyObject *__amounts;
    CPyTagged __hash;
} haizea___model___resources___CapacityObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    vectorcallfunc vectorcall;
} haizea___model___site___total_Site_objObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    PyObject *__table;
    PyObject *_states;
    PyObject *__masks;
    PyObject *__all;
} haizea___plan___hosts___HostsObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    PyObject *___mypyc_self__;
    PyObject *_host;
    PyObject *_has;
} haizea___plan___hosts___labelled_envObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    vectorcallfunc vectorcall;
    PyObject *___mypyc_env__;
} haizea___plan___hosts___has_labelled_objObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    PyObject *_image;
    CPyTagged _size;
    CPyTagged _start;
    CPyTagged _end;
    PyObject *_state;
    PyObject *_targets;
} haizea___plan___images___TransferObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    PyObject *_images;
    PyObject *_users;
} haizea___plan___images____CacheObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    PyObject *__table;
    PyObject *__hosts;
    PyObject *__options;
    PyObject *__caches;
    PyObject *_transfers;
    PyObject *__of_lease;
} haizea___plan___images___ImagesObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    PyObject *___mypyc_self__;
} haizea___plan___images___plan_Images_envObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    vectorcallfunc vectorcall;
    PyObject *___mypyc_env__;
} haizea___plan___images_____mypyc_lambda__0_plan_Images_objObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    PyObject *_kind;
    PyObject *_stay;
    CPyTagged _start;
    CPyTagged _end;
    PyObject *_outcome;
} haizea___plan___lease___EntryObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    PyObject *_cause;
    CPyTagged _at;
    CPyTagged _free;
    CPyTagged _ahead;
} haizea___plan___lease___WaitObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    char _suspending;
    char _resuming;
    PyObject *_phase;
    PyObject *_vm_hosts;
    PyObject *_copies;
    CPyTagged _version;
    PyObject *_lease;
    PyObject *_placement;
    CPyTagged _start;
    CPyTagged _run_start;
    CPyTagged _run_end;
    CPyTagged _end;
} haizea___plan___lease___StayObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    PyObject *_state;
    CPyTagged _delivered;
    PyObject *_images;
    PyObject *_rested;
    char _reserved;
    PyObject *_started;
    PyObject *_ended;
    PyObject *_price;
    PyObject *_reason;
    PyObject *_wait;
    PyObject *_transfers;
    CPyTagged _suspensions;
    CPyTagged _resumptions;
    CPyTagged _migrations;
    CPyTagged _preemptions;
    CPyTagged _requeued;
    CPyTagged _id;
    PyObject *_terms;
    PyObject *_type;
    PyObject *_need;
    CPyTagged _submitted;
    CPyTagged _order;
    CPyTagged _left;
    PyObject *_stays;
    PyObject *_log;
} haizea___plan___lease___LeaseObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    PyObject *__table;
    PyObject *__packings;
    PyObject *_order;
    char __quick;
} haizea___plan___mapping___MapperObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    PyObject *_counts;
    PyObject *_demands;
    CPyTagged _vms;
    CPyTagged _key;
    PyObject *_shapes;
    char _whole;
    PyObject *_sequence;
    PyObject *_suspend_vm;
    PyObject *_resume_vm;
    CPyTagged _suspend_time;
    CPyTagged _resume_time;
    CPyTagged _resume_bound;
} haizea___plan___need___NeedObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    CPyTagged __KNOWN_MAX;
    PyObject *__table;
    PyObject *__options;
    PyObject *__known;
    PyObject *__seen;
} haizea___plan___need___NeedsObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    PyObject *___mypyc_self__;
    PyObject *_options;
    char _None;
    char _True;
    PyObject *_counts;
    PyObject *_demands;
    PyObject *_largest;
    PyObject *_size;
    PyObject *_operation;
    PyObject *_together;
} haizea___plan___need_____init___3_Need_envObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    vectorcallfunc vectorcall;
    PyObject *___mypyc_env__;
} haizea___plan___need___size___3_init___3_Need_objObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    vectorcallfunc vectorcall;
    PyObject *___mypyc_env__;
} haizea___plan___need___operation___3_init___3_Need_objObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    vectorcallfunc vectorcall;
    PyObject *___mypyc_env__;
} haizea___plan___need___together___3_init___3_Need_objObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    PyObject *_demand;
    CPyTagged _vector;
    PyObject *_multiples;
    CPyTagged _per_host_max;
    CPyTagged _key;
} haizea___plan___packing___ShapeObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    PyObject *_hosts;
    PyObject *_types;
    CPyTagged _width;
    CPyTagged _stride;
    CPyTagged __ones;
    CPyTagged _every_host;
    CPyTagged _guards;
    CPyTagged __shift;
    PyObject *__below;
    PyObject *__strides;
    CPyTagged _full;
    PyObject *__shapes;
} haizea___plan___packing___PackingObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    PyObject *_table;
    PyObject *_hosts;
    PyObject *_options;
    PyObject *_selection;
    PyObject *_mapper;
    char __keeps_room;
    CPyTagged __shutdown_base;
    CPyTagged __shutdown_per_vm;
} haizea___plan___planner___PlannerObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    PyObject *___mypyc_self__;
    PyObject *_self;
    PyObject *_lease;
    CPyTagged _start;
    PyObject *_falls;
    PyObject *_table;
    PyObject *_score;
} haizea___plan___planner____scorer_Planner_envObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    vectorcallfunc vectorcall;
    PyObject *___mypyc_env__;
} haizea___plan___planner___score__scorer_Planner_objObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    PyObject *__planner;
    PyObject *__policy;
} haizea___plan___preemption___PreemptionObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    PyObject *___mypyc_self__;
} haizea___plan___preemption___candidates_Preemption_envObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    vectorcallfunc vectorcall;
    PyObject *___mypyc_env__;
} haizea___plan___preemption_____mypyc_lambda__0_candidates_Preemption_objObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    PyObject *_times;
    PyObject *_totals;
    PyObject *__lows;
} haizea___plan___profile___ProfileObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    uint32_t mypyc_running;
    PyObject *___mypyc_generator_frame_attribute__self;
    CPyTagged ___mypyc_generator_frame_attribute__amount;
    CPyTagged ___mypyc_generator_frame_attribute__length;
    CPyTagged ___mypyc_generator_frame_attribute__after;
    int32_t ___mypyc_next_label__;
    PyObject *___mypyc_generator_frame_attribute__times;
    PyObject *___mypyc_generator_frame_attribute__totals;
    CPyTagged ___mypyc_generator_frame_attribute__i;
    CPyTagged ___mypyc_generator_frame_attribute__end;
} haizea___plan___profile___starts_Profile_genObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    CPyTagged _block;
    CPyTagged _nodes;
    CPyTagged _per_host;
    CPyTagged _mask;
} haizea___plan___slottable___PartObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    CPyTagged _block;
    CPyTagged _packed;
    CPyTagged _amount;
} haizea___plan___slottable___HeldObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    PyObject *_parts;
    PyObject *_held;
} haizea___plan___slottable___PlacementObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    PyObject *_site;
    CPyTagged _now;
    CPyTagged _block_hosts;
    PyObject *_key;
    PyObject *_timelines;
    PyObject *__total;
    PyObject *__shapes;
    CPyTagged _changes;
    PyObject *__journals;
    PyObject *__profile;
    CPyTagged __profiled;
} haizea___plan___slottable___SlotTableObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    uint32_t mypyc_running;
    PyObject *___mypyc_generator_frame_attribute__self;
    PyObject *___mypyc_generator_frame_attribute__shapes;
    CPyTagged ___mypyc_generator_frame_attribute__start;
    CPyTagged ___mypyc_generator_frame_attribute__end;
    PyObject *___mypyc_generator_frame_attribute__usable;
    int32_t ___mypyc_next_label__;
    PyObject *___mypyc_temp__2_haizea___plan___slottable___roomy_SlotTable_gen_0;
} haizea___plan___slottable___roomy_SlotTable_genObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    PyObject *___mypyc_self__;
} haizea___plan___slottable___claims_SlotTable_envObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    vectorcallfunc vectorcall;
    PyObject *___mypyc_env__;
} haizea___plan___slottable_____mypyc_lambda__0_claims_SlotTable_objObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    PyObject *___mypyc_self__;
} haizea___plan___slottable___falls_SlotTable_envObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    vectorcallfunc vectorcall;
    PyObject *___mypyc_env__;
} haizea___plan___slottable_____mypyc_lambda__1_falls_SlotTable_objObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    CPyTagged _base;
    PyObject *_times;
    PyObject *_steps;
} haizea___plan___timeline____ChunkObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    PyObject *_packing;
    CPyTagged _now;
    CPyTagged _free;
    CPyTagged _version;
    PyObject *__chunks;
    PyObject *__starts;
    CPyTagged __claims;
    PyObject *__lows;
    CPyTagged __lows_until;
} haizea___plan___timeline___TimelineObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    uint32_t mypyc_running;
    PyObject *___mypyc_generator_frame_attribute__self;
    CPyTagged ___mypyc_generator_frame_attribute__start;
    CPyTagged ___mypyc_generator_frame_attribute__end;
    int32_t ___mypyc_next_label__;
    CPyTagged ___mypyc_generator_frame_attribute__number;
    CPyTagged ___mypyc_generator_frame_attribute__i;
    CPyTagged ___mypyc_generator_frame_attribute__state;
    int64_t ___mypyc_temp__3_haizea___plan___timeline___walk_Timeline_gen_3;
    PyObject *___mypyc_generator_frame_attribute__times;
    PyObject *___mypyc_generator_frame_attribute__steps;
    CPyTagged ___mypyc_generator_frame_attribute__until;
    CPyTagged ___mypyc_temp__3_haizea___plan___timeline___walk_Timeline_gen_7;
    PyObject *___mypyc_temp__2_haizea___plan___timeline___walk_Timeline_gen_0;
} haizea___plan___timeline___walk_Timeline_genObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
} haizea___policy___free___FreeObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
} haizea___policy___protocols___PolicyErrorObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
} haizea___policy___protocols___AdmissionPolicyObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
} haizea___policy___protocols___HostSelectionPolicyObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
} haizea___policy___protocols___PreemptionPolicyObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
} haizea___policy___protocols___PricingPolicyObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    vectorcallfunc vectorcall;
} haizea___policy___protocols___suspends_PolicyContext_objObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
} haizea___policy___views___LeaseViewObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
} haizea___runtime___clocks___SimulatedClockObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    PyObject *__scheduler;
    PyObject *__clock;
    PyObject *__backend;
    PyObject *__sources;
    PyObject *__sink;
    PyObject *__observer;
} haizea___runtime___loop___LoopObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
} haizea___runtime___ports___ClockObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
} haizea___runtime___ports___SourceObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
} haizea___runtime___ports___BackendObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
} haizea___runtime___ports___ObserverObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
} haizea___runtime___ports___SinkObject;

typedef struct {
    PyObject_HEAD
    CPyVTableItem *vtable;
    PyObject *__requests;
    CPyTagged __start;
    PyObject *__tell;
    PyObject *__next;
    CPyTagged _next_at;
} haizea___runtime___workload___ArrivalsObject;

#endif
