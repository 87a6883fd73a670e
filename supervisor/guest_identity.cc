// getrandom(2) and the clocks.
#include "supervisor/guest_identity.h"

#include <fmt/format.h>
#include <sys/random.h>
#include <x86intrin.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <ctime>

namespace anchorhold::supervisor {
namespace {

constexpr size_t kEntropyBytes = 64;

template <size_t Size>
Result<std::array<uint8_t, Size>> random_bytes() {
    std::array<uint8_t, Size> bytes{};
    // At most 256 bytes: never interrupted, never short (getrandom(2)).
    static_assert(Size <= 256);
    if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
        return fail_errno("getrandom");
    }
    return bytes;
}

uint64_t now_ns(clockid_t clock) {
    timespec now{};
    ::clock_gettime(clock, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<uint64_t>(now.tv_nsec);
}

std::string hex(const uint8_t* bytes, size_t count) {
    std::string text;
    for (size_t i = 0; i < count; ++i) {
        text += fmt::format("{:02x}", bytes[i]);
    }
    return text;
}

// Of this process's calls.
uint64_t later_than_all_before(uint64_t wanted) {
    static std::atomic<uint64_t> last = 0;
    uint64_t before = last.load(std::memory_order_relaxed);
    uint64_t given = 0;
    do {
        given = std::max(wanted, before + 1);
    } while (!last.compare_exchange_weak(before, given, std::memory_order_relaxed));
    return given;
}

}  // namespace

Result<GuestIdentity> fresh_identity(std::string host_name) {
    auto bytes = ANCHORHOLD_TRY(random_bytes<40>());
    uint8_t* const uuid = bytes.data();
    uuid[6] = static_cast<uint8_t>((uuid[6] & 0x0f) | 0x40);  // version 4
    uuid[8] = static_cast<uint8_t>((uuid[8] & 0x3f) | 0x80);  // variant 10
    GuestIdentity identity;
    identity.host_name = std::move(host_name);
    identity.boot_id = fmt::format("{}-{}-{}-{}-{}", hex(uuid, 4), hex(uuid + 4, 2),
                                   hex(uuid + 6, 2), hex(uuid + 8, 2), hex(uuid + 10, 6));
    identity.machine_id = hex(uuid + 16, 16);
    // Time alone could be set back; with 16 random bits two processes' guests of one moment differ
    // too. It fits the 20 digits that a guest shows.
    identity.generation = later_than_all_before((now_ns(CLOCK_REALTIME) & ~uint64_t{0xffff}) |
                                                (uint64_t{bytes[32]} << 8U) | bytes[33]);
    return identity;
}

Result<proto::ControlRequest> resume_as(const GuestIdentity& identity, const Timeline& timeline) {
    const auto entropy = ANCHORHOLD_TRY(random_bytes<kEntropyBytes>());
    proto::ControlRequest request;
    proto::Resume& resume = *request.mutable_resume();
    resume.set_entropy(entropy.data(), entropy.size());
    resume.set_wall_clock_ns(now_ns(CLOCK_REALTIME));
    if (timeline.tsc_khz != 0) {
        resume.set_wall_clock_tsc(__rdtsc() + timeline.guest_tsc_offset);
        resume.set_tsc_khz(timeline.tsc_khz);
    }
    resume.set_generation(identity.generation);
    resume.set_host_name(identity.host_name);
    resume.set_machine_id(identity.machine_id);
    resume.set_boot_id(identity.boot_id);
    return request;
}

proto::ControlRequest thaw() {
    proto::ControlRequest request;
    request.mutable_resume();
    return request;
}

}  // namespace anchorhold::supervisor
