// Prints the frequency of this host's time-stamp counter in kHz, measured over 50 ms.
//
// An emulated guest reads the host's counter, and calibrating it inside the guest against an
// emulated timer fails on a busy host; so the kernel is told (tsc_early_khz=, see qemu-args).
#include <x86intrin.h>

#include <chrono>
#include <cstdint>
#include <cstdio>

namespace {

using Clock = std::chrono::steady_clock;

struct Sample {
    Clock::time_point time;
    std::uint64_t ticks;
};

// The tightest of several readings, so that being scheduled away between the two does not count.
Sample sample() {
    Sample best{};
    auto best_width = Clock::duration::max();
    for (int i = 0; i < 16; ++i) {
        const auto before = Clock::now();
        const auto ticks = __rdtsc();
        const auto width = Clock::now() - before;
        if (width < best_width) {
            best_width = width;
            best = {before + width / 2, ticks};
        }
    }
    return best;
}

}  // namespace

int main() {
    const auto first = sample();
    while (Clock::now() - first.time < std::chrono::milliseconds(50)) {
    }
    const auto last = sample();
    const std::chrono::duration<double, std::milli> elapsed = last.time - first.time;
    std::printf("%.0f\n", static_cast<double>(last.ticks - first.ticks) / elapsed.count());
}
