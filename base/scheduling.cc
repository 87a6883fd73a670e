// sched_setattr(2) with a slice: EEVDF gives the earlier deadline to the shorter request.
#include "base/scheduling.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace anchorhold {
namespace {

// struct sched_attr of linux/sched/types.h in its first version, which glibc 2.36 does not declare.
struct SchedulingAttributes {
    uint32_t size = sizeof(SchedulingAttributes);
    uint32_t policy = 0;  // SCHED_OTHER
    uint64_t flags = 0;
    int32_t nice = 0;
    uint32_t priority = 0;
    uint64_t runtime = 0;  // the slice, in nanoseconds
    uint64_t deadline = 0;
    uint64_t period = 0;
};
static_assert(sizeof(SchedulingAttributes) == 48);

}  // namespace

void ask_for(Turns turns) {
    SchedulingAttributes attributes;
    // The nice value stays what the user gave us.
    if (::syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) < 0 || attributes.policy != 0) {
        return;
    }
    attributes.runtime = turns == Turns::kShort ? 100'000 : 0;
    ::syscall(SYS_sched_setattr, 0, &attributes, 0);
}

}  // namespace anchorhold
