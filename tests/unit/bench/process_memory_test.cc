#include "bench/process_memory.h"

#include <gtest/gtest.h>
#include <unistd.h>

namespace anchorhold::bench {
namespace {

TEST(ProcessMemory, rollup_is_summed) {
    const auto memory = process_memory(
        "55-7f ---p 00000000 00:00 0 [rollup]\nRss:  900 kB\nPss:      30 kB\nPss_Dirty: 5 kB\n"
        "Private_Clean:   1 kB\nPrivate_Dirty:  2 kB\n");
    ASSERT_TRUE(memory) << memory.error().message;
    EXPECT_EQ(memory->private_bytes, 3U * 1024);
    EXPECT_EQ(memory->pss_bytes, 30U * 1024);
}

TEST(ProcessMemory, text_that_is_no_rollup_is_refused) {
    for (const char* text :
         {"", "Pss: 1 kB\n", "Pss: x kB\nPrivate_Clean: 1 kB\nPrivate_Dirty: 1 kB\n",
          "Pss: 1\nPrivate_Clean: 1 kB\nPrivate_Dirty: 1 kB\n"}) {
        EXPECT_FALSE(process_memory(text)) << text;
    }
}

TEST(ProcessMemory, own_process_holds_something) {
    const auto memory = process_memory_of(::getpid());
    ASSERT_TRUE(memory) << memory.error().message;
    EXPECT_GT(memory->private_bytes, 0U);
}

TEST(AvailableBytes, meminfo_is_read) {
    EXPECT_EQ(available_bytes("MemTotal: 9 kB\nMemAvailable:    2 kB\n").value_or(0), 2048U);
    EXPECT_FALSE(available_bytes("MemTotal: 9 kB\n"));
}

}  // namespace
}  // namespace anchorhold::bench
