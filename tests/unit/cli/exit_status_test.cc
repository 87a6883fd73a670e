// Every way a command can end, as a number.
#include "cli/exit_status.h"

#include <gtest/gtest.h>

namespace anchorhold::cli {
namespace {

TEST(ExitStatus, every_outcome_has_its_number) {
    using exec::Exited;
    using exec::Lost;
    using exec::Refused;
    using proto::ExecRefused;
    const struct {
        exec::Outcome outcome;
        int status;
    } cases[] = {
        {Exited{0, 0, false}, 0},
        {Exited{7, 0, false}, 7},
        {Exited{255, 0, false}, 255},
        {Exited{124, 0, false}, 124},
        {Exited{0, 9, false}, 137},
        {Exited{0, 9, true}, 137},
        {Exited{0, 15, false}, 143},
        {Exited{0, 64, false}, 192},
        {Exited{3, 2, false}, 130},
        {Refused{ExecRefused::NOT_FOUND, "x"}, 127},
        {Refused{ExecRefused::CANNOT_EXECUTE, "x"}, 126},
        {Refused{ExecRefused::BAD_REQUEST, "x"}, 125},
        {Refused{ExecRefused::INTERNAL, "x"}, 125},
        {Refused{static_cast<ExecRefused::Reason>(1000), "x"},
         125},  // from a newer or a hostile guest
        {Lost{"x"}, 125},
    };
    for (const auto& test : cases) {
        EXPECT_EQ(exit_status(test.outcome), test.status);
    }
}

}  // namespace
}  // namespace anchorhold::cli
