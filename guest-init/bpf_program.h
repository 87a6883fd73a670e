// Classic BPF for seccomp(2), put together from rules: a balanced search over system call numbers.
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace anchorhold::guest_init {

// What a rule looks at beside the number. Arguments count from 0; only their low 32 bits are
// compared.
struct Condition {
    enum class Test : uint8_t {
        kAlways,     // the rule holds whatever the arguments are
        kEqual,      // argument == value
        kAnyBit,     // (argument & value) != 0
        kOtherBits,  // (argument & ~value) != 0, except that an argument of all ones passes
    };
    Test test = Test::kAlways;
    uint8_t argument = 0;
    uint32_t value = 0;
};

// A system call that is answered with an errno. Rules of one number are tried in order, each on its
// own; a call that none of them holds for is allowed.
struct FilterRule {
    uint32_t number;
    uint16_t error;
    Condition condition;
    std::string_view reason;
};

// socket(2) is allowed for these domains; protocol -1 is any.
struct AllowedSocket {
    uint32_t domain;
    int32_t protocol;
    std::string_view reason;
};

struct FilterDescription {
    std::span<const FilterRule> rules;
    std::span<const AllowedSocket> sockets;
    uint16_t socket_error;
    uint32_t first_unknown;  // this number and above do not exist as far as the filter is
                             // concerned: ENOSYS
};

// Assembles the filter. Other architectures and the x32 ABI kill the process; every other call is
// allowed. The search keeps the filter short for each call: the kernel runs it once per number when
// it is installed, to find what is always allowed.
[[nodiscard]] std::vector<sock_filter> assemble_filter(const FilterDescription& description);

}  // namespace anchorhold::guest_init
