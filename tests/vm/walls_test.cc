// What the agent is inside the guest: nobody.
#include <gtest/gtest.h>

#include "vm/anchorhold.h"

namespace anchorhold::vm_test {
namespace {

TEST(Walls, agent_is_uid_1000) {
    const Completed done = run({"sh", "-c", "id -u; id -g; id -G"});
    EXPECT_EQ(done.out, "1000\n1000\n1000\n") << done.err;
}

TEST(Walls, agent_has_no_capability_no_new_privileges_and_a_filter) {
    const Completed done =
        run({"sh", "-c", "grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status"});
    EXPECT_EQ(done.out,
              "CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n"
              "CapBnd:\t0000000000000000\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n")
        << done.err;
}

TEST(Walls, root_by_request_has_no_capability_either) {
    const Completed done =
        run({"sh", "-c", "id -u; grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp:)' /proc/self/status"},
            {"--user", "root"});
    EXPECT_EQ(
        done.out,
        "0\nCapEff:\t0000000000000000\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n")
        << done.err;
}

TEST(Walls, guest_has_no_network_device_but_loopback) {
    const Completed done = run({"sh", "-c", "ls /sys/class/net"});
    EXPECT_EQ(done.out, "lo\n") << done.err;
}

TEST(Walls, agent_cannot_open_a_vsock_socket) {
    const Completed done = run(
        {"python3", "-c",
         "import socket\n"
         "for family in (40, 16, 17, 38):\n"
         "    try:\n"
         "        socket.socket(family, socket.SOCK_STREAM if family == 40 else socket.SOCK_RAW)\n"
         "        print(family, 'opened')\n"
         "    except OSError as error:\n"
         "        print(family, error.errno)\n"},
        {"--image", "debian", "--memory", "256M"});
    EXPECT_EQ(done.out.find("40 opened"), std::string::npos) << done.out;
    EXPECT_EQ(done.out.find("17 opened"), std::string::npos) << done.out;
    EXPECT_NE(done.out.find("40 "), std::string::npos) << done.out << done.err;
}

TEST(Walls, agent_cannot_mount_or_load_or_reboot) {
    const Completed done =
        run({"sh", "-c", "mount -t tmpfs none /tmp; unshare -U true; reboot -f; echo still-here"});
    EXPECT_NE(done.out.find("still-here"), std::string::npos) << done.err;
}

TEST(Walls, agent_cannot_signal_or_see_into_init) {
    const Completed done = run({"sh", "-c", "kill -9 1; cat /proc/1/environ; echo still-here"});
    EXPECT_EQ(done.out, "still-here\n") << done.err;
}

TEST(Walls, image_is_writable_above_and_each_sandbox_begins_fresh) {
    const Completed first =
        run({"sh", "-c", "echo changed > /home/agent/mark && cat /home/agent/mark"});
    EXPECT_EQ(first.out, "changed\n") << first.err;
    const Completed second = run({"sh", "-c", "test -e /home/agent/mark || echo fresh"});
    EXPECT_EQ(second.out, "fresh\n") << second.err;
}

TEST(Walls, fork_bomb_ends_within_its_limit_and_the_run_ends) {
    const Completed done =
        run({"sh", "-c", "b() { b | b & }; b; wait; echo over"}, {"--timeout", "20s"});
    EXPECT_FALSE(done.timed_out);
    EXPECT_TRUE(done.status == 0 || done.status == 124 || done.status == 2)
        << done.status << done.err;
}

TEST(Walls, memory_hog_is_killed_and_the_run_says_so) {
    const Completed done =
        run({"python3", "-c", "kept = []\nwhile True: kept.append(b'x' * (1 << 22))"},
            {"--image", "debian", "--memory", "128M"});
    EXPECT_EQ(done.status, 137) << done.err;
    EXPECT_NE(done.err.find("memory"), std::string::npos) << done.err;
}

}  // namespace
}  // namespace anchorhold::vm_test
