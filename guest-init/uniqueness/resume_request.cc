// One check a field.
#include "guest-init/uniqueness/resume_request.h"

#include <algorithm>
#include <string>
#include <string_view>

namespace anchorhold::guest_init {
namespace {

constexpr size_t kMachineIdDigits = 32;
constexpr size_t kMaxLabel = 63;
// clock_settime(2) ends in 2232; before 2000 is a clock that nobody has set.
constexpr uint64_t kEarliest = 946'684'800ULL * 1'000'000'000;  // 2000-01-01
constexpr uint64_t kLatest = 7'258'118'400ULL * 1'000'000'000;  // 2200-01-01
constexpr uint64_t kLongestDelivery = 60'000;                   // ms

bool is_lower_hex(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

bool is_letter_or_digit(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_zero_digit(char c) {
    return c == '0' || c == '-';
}

// Letters, digits, hyphens, the last not at an end (RFC 1123 §2.1).
bool is_label(std::string_view text) {
    return !text.empty() && text.size() <= kMaxLabel && text.front() != '-' && text.back() != '-' &&
           std::all_of(text.begin(), text.end(),
                       [](char c) { return is_letter_or_digit(c) || c == '-'; });
}

bool is_host_name(std::string_view text) {
    if (text.size() > kMaxHostName) {
        return false;
    }
    for (;;) {
        const size_t dot = text.find('.');
        if (!is_label(text.substr(0, dot))) {
            return false;
        }
        if (dot == std::string_view::npos) {
            return true;
        }
        text.remove_prefix(dot + 1);
    }
}

// machine-id(5): lower-case, and not all zeros.
bool is_machine_id(std::string_view text) {
    return text.size() == kMachineIdDigits && std::all_of(text.begin(), text.end(), is_lower_hex) &&
           !std::all_of(text.begin(), text.end(), is_zero_digit);
}

// As the kernel writes its own: lower-case, 8-4-4-4-12.
bool is_uuid(std::string_view text) {
    constexpr std::string_view kForm = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    if (text.size() != kForm.size() || std::all_of(text.begin(), text.end(), is_zero_digit)) {
        return false;
    }
    for (size_t i = 0; i < kForm.size(); ++i) {
        if (kForm[i] == '-' ? text[i] != '-' : !is_lower_hex(text[i])) {
            return false;
        }
    }
    return true;
}

}  // namespace

bool is_plain(const proto::Resume& request) {
    return request.entropy().empty() && request.wall_clock_ns() == 0 && request.generation() == 0 &&
           request.host_name().empty() && request.machine_id().empty() && request.boot_id().empty();
}

uint64_t wall_clock_at(const proto::Resume& request, uint64_t tsc) {
    const uint64_t khz = request.tsc_khz();
    const uint64_t ticks = tsc - request.wall_clock_tsc();
    if (khz == 0 || tsc < request.wall_clock_tsc() || ticks / khz > kLongestDelivery) {
        return request.wall_clock_ns();
    }
    const uint64_t milliseconds = ticks / khz;
    return request.wall_clock_ns() + milliseconds * 1'000'000 +
           static_cast<uint64_t>(static_cast<double>(ticks % khz) * 1e6 / static_cast<double>(khz));
}

Status check_resume(const proto::Resume& request, uint64_t generation) {
    const size_t entropy = request.entropy().size();
    if (entropy != 0 && (entropy < kMinEntropy || entropy > kMaxEntropy)) {
        return fail("entropy has " + std::to_string(entropy) + " bytes, not 32 to 512");
    }
    const uint64_t clock = request.wall_clock_ns();
    if (clock != 0 && (clock < kEarliest || clock >= kLatest)) {
        return fail("wall clock " + std::to_string(clock) + " ns is not between 2000 and 2200");
    }
    const uint64_t next = request.generation();
    if (next != 0 && next == generation) {
        return fail("generation " + std::to_string(next) + " is this guest's already");
    }
    if (next != 0 && entropy == 0) {
        return fail("generation " + std::to_string(next) + " comes without entropy");
    }
    // What they say is not repeated: it is not known to be fit for a terminal.
    if (!request.host_name().empty() && !is_host_name(request.host_name())) {
        return fail("host name is not letters, digits and hyphens, 64 at most");
    }
    if (!request.machine_id().empty() && !is_machine_id(request.machine_id())) {
        return fail("machine-id is not 32 lower-case hex digits");
    }
    if (!request.boot_id().empty() && !is_uuid(request.boot_id())) {
        return fail("boot_id is not a lower-case UUID");
    }
    return {};
}

}  // namespace anchorhold::guest_init
