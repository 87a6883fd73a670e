// The assembler, against an interpreter of the few instructions it uses.
#include "guest-init/bpf_program.h"

#include <gtest/gtest.h>
#include <linux/audit.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstring>

namespace anchorhold::guest_init {
namespace {

// Runs a filter; `steps` counts instructions.
uint32_t run(const std::vector<sock_filter>& code, const seccomp_data& data, size_t* steps) {
    uint32_t accumulator = 0;
    for (size_t at = 0; at < code.size(); ++at) {
        ++*steps;
        const sock_filter& one = code[at];
        switch (one.code) {
            case BPF_LD | BPF_W | BPF_ABS:
                std::memcpy(&accumulator, reinterpret_cast<const char*>(&data) + one.k, 4);
                break;
            case BPF_JMP | BPF_JEQ | BPF_K:
                at += accumulator == one.k ? one.jt : one.jf;
                break;
            case BPF_JMP | BPF_JGE | BPF_K:
                at += accumulator >= one.k ? one.jt : one.jf;
                break;
            case BPF_JMP | BPF_JSET | BPF_K:
                at += (accumulator & one.k) != 0 ? one.jt : one.jf;
                break;
            case BPF_RET | BPF_K:
                return one.k;
            default:
                ADD_FAILURE() << "unexpected instruction " << one.code;
                return 0;
        }
    }
    ADD_FAILURE() << "ran off the end";
    return 0;
}

constexpr FilterRule kRules[] = {
    {0, EPERM, {}, "the first number there is"},
    {10, EACCES, {Condition::Test::kEqual, 1, 7}, "equal"},
    {10, EBUSY, {Condition::Test::kAnyBit, 2, 0x30}, "any bit"},
    {11, EPERM, {Condition::Test::kOtherBits, 0, 0x0f}, "neighbour of 10"},
    {99, ENOSYS, {}, "the last before unknown"},
};
constexpr AllowedSocket kSockets[] = {{1, -1, "any"}, {16, 0, "one protocol"}};
constexpr FilterDescription kDescription{kRules, kSockets, EAFNOSUPPORT, 100};

class BpfProgram : public testing::Test {
  protected:
    uint32_t answer(int number, uint64_t a = 0, uint64_t b = 0, uint64_t c = 0) {
        seccomp_data data{};
        data.nr = number;
        data.arch = AUDIT_ARCH_X86_64;
        data.args[0] = a;
        data.args[1] = b;
        data.args[2] = c;
        steps = 0;
        return run(code, data, &steps);
    }
    static uint32_t error(uint32_t number) { return SECCOMP_RET_ERRNO | number; }

    std::vector<sock_filter> code = assemble_filter(kDescription);
    size_t steps = 0;
};

TEST_F(BpfProgram, numbers_between_rules_are_allowed) {
    for (const int number : {1, 9, 12, 40, 42, 98}) {
        EXPECT_EQ(answer(number), SECCOMP_RET_ALLOW) << number;
    }
    EXPECT_EQ(answer(0), error(EPERM));
    EXPECT_EQ(answer(99), error(ENOSYS));
}

TEST_F(BpfProgram, numbers_outside_of_the_table_are_refused) {
    EXPECT_EQ(answer(100), error(ENOSYS));
    EXPECT_EQ(answer(0x3fffffff), error(ENOSYS));
    EXPECT_EQ(answer(0x40000000), SECCOMP_RET_KILL_PROCESS);
    EXPECT_EQ(answer(-1), SECCOMP_RET_KILL_PROCESS);
}

TEST_F(BpfProgram, rules_of_one_number_are_tried_in_order) {
    EXPECT_EQ(answer(10, 0, 7, 0x10), error(EACCES));
    EXPECT_EQ(answer(10, 0, 8, 0x10), error(EBUSY));
    EXPECT_EQ(answer(10, 0, 8, 0x41), SECCOMP_RET_ALLOW);
}

TEST_F(BpfProgram, other_bits_are_refused_but_all_ones_pass) {
    EXPECT_EQ(answer(11, 0x0f), SECCOMP_RET_ALLOW);
    EXPECT_EQ(answer(11, 0x10), error(EPERM));
    EXPECT_EQ(answer(11, 0xffffffff), SECCOMP_RET_ALLOW);
}

TEST_F(BpfProgram, sockets_are_an_allow_list) {
    EXPECT_EQ(answer(SYS_socket, 1, 0, 5), SECCOMP_RET_ALLOW);
    EXPECT_EQ(answer(SYS_socket, 16, 0, 0), SECCOMP_RET_ALLOW);
    EXPECT_EQ(answer(SYS_socket, 16, 0, 1), error(EAFNOSUPPORT));
    EXPECT_EQ(answer(SYS_socket, 40), error(EAFNOSUPPORT));
}

TEST_F(BpfProgram, other_architecture_kills) {
    seccomp_data data{};
    data.arch = AUDIT_ARCH_I386;
    EXPECT_EQ(run(code, data, &steps), SECCOMP_RET_KILL_PROCESS);
}

TEST_F(BpfProgram, search_is_short) {
    for (int number = 0; number < 120; ++number) {
        answer(number);
        EXPECT_LE(steps, 16U) << number;
    }
}

}  // namespace
}  // namespace anchorhold::guest_init
