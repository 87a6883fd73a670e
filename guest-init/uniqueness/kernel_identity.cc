// ioctls of random(4), clock_settime(2), sethostname(2), files.
#include "guest-init/uniqueness/kernel_identity.h"

#include <fcntl.h>
#include <linux/random.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "base/check.h"
#include "base/sys.h"
#include "guest-init/uniqueness/resume_request.h"

namespace anchorhold::guest_init {
namespace {

constexpr uint64_t kNanoseconds = 1'000'000'000;

// struct rand_pool_info (linux/random.h) with room for bytes.
struct PoolInfo {
    int entropy_bits;
    int size;
    std::byte bytes[kMaxEntropy];
};
static_assert(offsetof(PoolInfo, bytes) == sizeof(rand_pool_info));

}  // namespace

Result<std::unique_ptr<KernelIdentity>> KernelIdentity::create(IdentityFiles files) {
    OwnFd random = ANCHORHOLD_TRY(sys::open("/dev/urandom", O_RDONLY));
    OwnFd proc = ANCHORHOLD_TRY(sys::open("/proc", O_PATH | O_DIRECTORY));
    return std::unique_ptr<KernelIdentity>(
        new KernelIdentity(std::move(files), std::move(random), std::move(proc)));
}

Status KernelIdentity::add_entropy(std::span<const std::byte> bytes) {
    ANCHORHOLD_CHECK(bytes.size() <= kMaxEntropy);
    PoolInfo pool;
    pool.entropy_bits = static_cast<int>(bytes.size() * 8);
    pool.size = static_cast<int>(bytes.size());
    std::copy(bytes.begin(), bytes.end(), pool.bytes);
    const int added = ::ioctl(random_.get(), RNDADDENTROPY, &pool);
    const int code = errno;
    ::explicit_bzero(&pool, sizeof pool);
    if (added < 0) {
        return fail_errno(code, "ioctl RNDADDENTROPY");
    }
    // Makes new keys for all processors, and has the vDSO's generators in user space do the same.
    if (::ioctl(random_.get(), RNDRESEEDCRNG) < 0) {
        return fail_errno("ioctl RNDRESEEDCRNG");
    }
    return {};
}

Status KernelIdentity::set_wall_clock(uint64_t nanoseconds) {
    const timespec now{static_cast<time_t>(nanoseconds / kNanoseconds),
                       static_cast<long>(nanoseconds % kNanoseconds)};
    if (::clock_settime(CLOCK_REALTIME, &now) < 0) {
        return fail_errno("clock_settime");
    }
    return {};
}

Status KernelIdentity::set_machine_id(std::string_view id) {
    return files_.machine_id.rewrite(std::string(id) + "\n");
}

Status KernelIdentity::set_boot_id(std::string_view id) {
    return files_.boot_id.rewrite(std::string(id) + "\n");
}

Status KernelIdentity::set_host_name(std::string_view name) {
    if (::sethostname(name.data(), name.size()) < 0) {
        return fail_errno("sethostname");
    }
    return files_.host_name.rewrite(std::string(name) + "\n");
}

Status KernelIdentity::set_generation(uint64_t generation) {
    ANCHORHOLD_TRY(files_.generation.rewrite(generation_text(generation)));
    generation_ = generation;
    return {};
}

}  // namespace anchorhold::guest_init
