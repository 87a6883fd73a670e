// Guests of every shape.
#include <gtest/gtest.h>

#include "vm/anchorhold.h"

namespace anchorhold::vm_test {
namespace {

TEST(Guests, debian_python_computes) {
    const Completed done =
        run({"python3", "-c", "print(sum(range(10)))"}, {"--image", "debian", "--memory", "256M"});
    EXPECT_EQ(done.out, "45\n") << done.err;
}

TEST(Guests, debian_has_its_tools) {
    const Completed done = run({"bash", "-c",
                                "curl --version >/dev/null && git --version >/dev/null && test -s "
                                "/etc/ssl/certs/ca-certificates.crt && echo all"},
                               {"--image", "debian", "--memory", "256M"});
    EXPECT_EQ(done.out, "all\n") << done.err;
}

TEST(Guests, four_processors_are_four) {
    const Completed done = run({"nproc"}, {"--cpus", "4"});
    EXPECT_EQ(done.out, "4\n") << done.err;
}

TEST(Guests, eight_processors_are_eight) {
    const Completed done = run({"nproc"}, {"--cpus", "8", "--memory", "256M"});
    EXPECT_EQ(done.out, "8\n") << done.err;
}

TEST(Guests, smallest_memory_boots) {
    const Completed done = run({"echo", "up"}, {"--memory", "64M"});
    EXPECT_EQ(done.out, "up\n") << done.err;
}

TEST(Guests, memory_beyond_the_hole_boots_and_is_seen) {
    const Completed done =
        run({"sh", "-c", "awk '/MemTotal/ { print ($2 > 4500000) }' /proc/meminfo"},
            {"--memory", "5G"});
    EXPECT_EQ(done.out, "1\n") << done.err;
}

TEST(Guests, writable_layer_in_memory_works) {
    const Completed done =
        run({"sh", "-c", "echo text > $HOME/file && cat $HOME/file"}, {"--disk", "0"});
    EXPECT_EQ(done.out, "text\n") << done.err;
}

TEST(Guests, writable_layer_of_another_size_has_it) {
    const Completed done =
        run({"sh", "-c", "df -m / | awk 'NR == 2 { print ($2 > 80 && $2 < 101) }'"},
            {"--disk", "100M"});
    EXPECT_EQ(done.out, "1\n") << done.err;
}

TEST(Guests, writable_layer_takes_and_returns_data) {
    const Completed done =
        run({"sh", "-c",
             "head -c 33554432 /dev/urandom > $HOME/a && cp $HOME/a $HOME/b && sync && "
             "echo 3 2>/dev/null >/proc/sys/vm/drop_caches; cmp $HOME/a $HOME/b && echo same"});
    EXPECT_EQ(done.out, "same\n") << done.err;
}

TEST(Guests, console_on_request_shows_the_kernel) {
    const Completed done = run({"true"}, {"--console"});
    EXPECT_EQ(done.status, 0);
    EXPECT_NE(done.err.find("Linux version 6.12"), std::string::npos) << done.err;
}

TEST(Guests, clock_is_right) {
    const Completed done = run({"date", "+%s"});
    EXPECT_NEAR(std::stod(done.out.empty() ? "0" : done.out), static_cast<double>(::time(nullptr)),
                60.0)
        << done.err;
}

}  // namespace
}  // namespace anchorhold::vm_test
