// From rules to instructions.
#include "guest-init/bpf_program.h"

#include <linux/audit.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <map>

#include "base/check.h"

namespace anchorhold::guest_init {
namespace {

using Code = std::vector<sock_filter>;

constexpr uint32_t kX32Bit = 0x40000000;

sock_filter load(size_t offset) {
    return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset));
}
sock_filter answer(uint32_t action) {
    return BPF_STMT(BPF_RET | BPF_K, action);
}
sock_filter answer_error(uint16_t error) {
    return answer(SECCOMP_RET_ERRNO | error);
}
sock_filter jump(uint16_t test, uint32_t value, size_t if_true, size_t if_false) {
    ANCHORHOLD_CHECK(if_true <= UINT8_MAX && if_false <= UINT8_MAX);
    return BPF_JUMP(static_cast<uint16_t>(BPF_JMP | test | BPF_K), value,
                    static_cast<uint8_t>(if_true), static_cast<uint8_t>(if_false));
}
void append(Code& code, const Code& more) {
    code.insert(code.end(), more.begin(), more.end());
}

// The low half of a 64-bit argument, little endian.
sock_filter load_argument(uint8_t index) {
    return load(offsetof(seccomp_data, args) + index * sizeof(uint64_t));
}

// Answers with the rule's errno where it holds and runs on behind itself where it does not.
Code rule_code(const FilterRule& rule) {
    const Condition& condition = rule.condition;
    const sock_filter refused = answer_error(rule.error);
    switch (condition.test) {
        case Condition::Test::kAlways:
            return {refused};
        case Condition::Test::kEqual:
            return {load_argument(condition.argument), jump(BPF_JEQ, condition.value, 0, 1),
                    refused};
        case Condition::Test::kAnyBit:
            return {load_argument(condition.argument), jump(BPF_JSET, condition.value, 0, 1),
                    refused};
        case Condition::Test::kOtherBits:
            return {load_argument(condition.argument), jump(BPF_JEQ, UINT32_MAX, 2, 0),
                    jump(BPF_JSET, ~condition.value, 0, 1), refused};
    }
    return {refused};
}

Code socket_code(const FilterDescription& description) {
    Code code;
    for (const AllowedSocket& allowed : description.sockets) {
        code.push_back(load_argument(0));
        if (allowed.protocol < 0) {
            code.push_back(jump(BPF_JEQ, allowed.domain, 0, 1));
        } else {
            code.push_back(jump(BPF_JEQ, allowed.domain, 0, 3));
            code.push_back(load_argument(2));
            code.push_back(jump(BPF_JEQ, static_cast<uint32_t>(allowed.protocol), 0, 1));
        }
        code.push_back(answer(SECCOMP_RET_ALLOW));
    }
    code.push_back(answer_error(description.socket_error));
    return code;
}

// What happens from a number on, up to the next entry's.
struct Segment {
    uint32_t from;
    Code code;  // ends in an answer on every path
};

std::vector<Segment> segments_of(const FilterDescription& description) {
    std::map<uint32_t, Code> by_number;
    for (const FilterRule& rule : description.rules) {
        append(by_number[rule.number], rule_code(rule));
    }
    for (auto& [number, code] : by_number) {
        code.push_back(answer(SECCOMP_RET_ALLOW));
    }
    by_number[SYS_socket] = socket_code(description);
    std::vector<Segment> segments{{0, {answer(SECCOMP_RET_ALLOW)}}};
    for (const auto& [number, code] : by_number) {
        if (segments.back().from == number) {
            segments.pop_back();
        }
        segments.push_back({number, code});
        segments.push_back({number + 1, {answer(SECCOMP_RET_ALLOW)}});
    }
    segments.push_back({description.first_unknown, {answer_error(ENOSYS)}});
    segments.push_back({kX32Bit, {answer(SECCOMP_RET_KILL_PROCESS)}});
    return segments;
}

// The number is in the accumulator.
Code search(std::span<const Segment> segments) {
    if (segments.size() == 1) {
        return segments.front().code;
    }
    const size_t middle = segments.size() / 2;
    const Code below = search(segments.first(middle));
    Code code{jump(BPF_JGE, segments[middle].from, below.size(), 0)};
    append(code, below);
    append(code, search(segments.subspan(middle)));
    return code;
}

}  // namespace

std::vector<sock_filter> assemble_filter(const FilterDescription& description) {
    Code code{load(offsetof(seccomp_data, arch)), jump(BPF_JEQ, AUDIT_ARCH_X86_64, 1, 0),
              answer(SECCOMP_RET_KILL_PROCESS), load(offsetof(seccomp_data, nr))};
    append(code, search(segments_of(description)));
    return code;
}

}  // namespace anchorhold::guest_init
