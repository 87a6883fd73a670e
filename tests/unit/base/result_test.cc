// Errors say what failed with which input; TRY hands values down and errors up.
#include "base/result.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <memory>

#include "base/check.h"

namespace anchorhold {
namespace {

TEST(Error, of_system_call_names_call_object_and_reason) {
    EXPECT_EQ(fail_errno(ENOENT, "open", "/dev/kvm").value().message,
              "open /dev/kvm: No such file or directory");
    EXPECT_EQ(fail_errno(EMFILE, "pipe2").value().message, "pipe2: Too many open files");
    EXPECT_EQ(fail_errno(EMFILE, "pipe2").value().code, EMFILE);
}

TEST(Error, without_explicit_code_takes_errno) {
    errno = EACCES;
    const Error error = fail_errno("open", "/x").value();
    EXPECT_EQ(error.message, "open /x: Permission denied");
    EXPECT_EQ(error.code, EACCES);
}

TEST(Error, within_puts_the_outer_subject_first_and_keeps_the_code) {
    const Error error = Error{"write: No space left on device", ENOSPC}.within("disk");
    EXPECT_EQ(error.message, "disk: write: No space left on device");
    EXPECT_EQ(error.code, ENOSPC);
}

TEST(ErrnoText, unknown_number_is_still_told) {
    EXPECT_EQ(errno_text(4095), "errno 4095");
    EXPECT_EQ(errno_text(EINTR), "Interrupted system call");
}

Result<std::unique_ptr<int>> number(int value) {
    if (value < 0) {
        return fail("negative", EINVAL);
    }
    return std::make_unique<int>(value);
}

Status refuse_odd(int value) {
    return value % 2 == 0 ? Status() : Status(fail("odd"));
}

Result<int> sum(int a, int b, int* steps) {
    const auto first = ANCHORHOLD_TRY(number(a));  // move-only: TRY must not copy
    ++*steps;
    ANCHORHOLD_TRY(refuse_odd(b));
    ++*steps;
    return *first + *ANCHORHOLD_TRY(number(b));
}

TEST(Try, success_yields_the_value) {
    int steps = 0;
    EXPECT_EQ(sum(1, 2, &steps).value(), 3);
    EXPECT_EQ(steps, 2);
}

TEST(Try, failure_returns_at_once_with_message_and_code) {
    struct Case {
        int a, b;
        const char* message;
        int code, steps;
    };
    for (const Case& test : {Case{-1, 2, "negative", EINVAL, 0}, Case{1, 1, "odd", 0, 1},
                             Case{1, -2, "negative", EINVAL, 2}}) {
        int steps = 0;
        const auto result = sum(test.a, test.b, &steps);
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().message, test.message);
        EXPECT_EQ(result.error().code, test.code);
        EXPECT_EQ(steps, test.steps);
    }
}

TEST(Try, value_of_a_named_result_is_moved_out) {
    const auto take = []() -> Result<int> {
        auto kept = number(7);
        const auto taken = ANCHORHOLD_TRY(kept);
        return *taken;
    };
    EXPECT_EQ(take().value(), 7);
}

TEST(CheckDeathTest, false_condition_aborts_with_its_text_and_place) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(ANCHORHOLD_CHECK(1 + 1 == 3), "result_test.cc:[0-9]+: check failed: 1 \\+ 1 == 3");
}

TEST(Check, true_condition_is_evaluated_once) {
    int evaluated = 0;
    ANCHORHOLD_CHECK(++evaluated == 1);
    EXPECT_EQ(evaluated, 1);
}

}  // namespace
}  // namespace anchorhold
