// Guests of several processors that are written down in the middle of hard work, and go on with it
// in each copy without a wrong byte or a clock that steps back.
#include <gtest/gtest.h>

#include <map>
#include <sstream>

#include "vm/templates.h"

namespace anchorhold::vm_test {
namespace {

std::string warming(unsigned rounds) {
    return "set -e\n" + in_guest("background.py") + in_guest("load.py") +
           in_guest("clock_watch.py") + in_guest("ask.py") + "python3 load.py " +
           std::to_string(rounds) + "\npython3 clock_watch.py\n";
}

constexpr const char* kAsk =
    "for each in memory disk arithmetic; do python3 ask.py $each.socket & done; wait; "
    "python3 ask.py clock.socket";

constexpr int kCopies = 5;

class WarmLoad : public testing::TestWithParam<unsigned> {};

TEST_P(WarmLoad, work_goes_on_without_a_wrong_byte_in_every_copy) {
    const Templates templates;
    templates.create("busy",
                     {"--quiet", "--image", "debian", "-m", "256M", "--disk", "128M", "--cpus",
                      std::to_string(GetParam()), "--warm", warming(3), "--probe", "true"});
    for (int copy = 0; copy < kCopies && !HasFailure(); ++copy) {
        const Completed done = templates.shell("busy", kAsk);
        EXPECT_EQ(done.status, 0) << done.out << done.err;
        std::map<std::string, std::string> facts;
        std::istringstream lines(done.out);
        for (std::string key, value; lines >> key >> value;) {
            facts[key] = value;
        }
        for (const char* wrong : {"memory-wrong", "disk-wrong", "arithmetic-wrong",
                                  "monotonic-back", "boottime-back", "raw-back"}) {
            EXPECT_EQ(facts[wrong], "0") << wrong << " in copy " << copy << "\n" << done.out;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Processors, WarmLoad, testing::Values(2U, 4U));

}  // namespace
}  // namespace anchorhold::vm_test
