// Dropping clean pages changes what is resident, never what the program does.
#include "vmm/footprint.h"

#include <gtest/gtest.h>

#include <string>

namespace anchorhold::vmm {
namespace {

// Relocated constants: a table of pointers that the file holds as zeros.
const char* const kWords[] = {"one", "two", "three"};

TEST(Footprint, program_goes_on_after_shedding) {
    const char* const volatile* words = kWords;
    shed_start_code();
    EXPECT_EQ(std::string(words[0]) + words[1] + words[2], "onetwothree");
}

}  // namespace
}  // namespace anchorhold::vmm
