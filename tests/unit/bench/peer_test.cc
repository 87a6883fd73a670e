#include "bench/peer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/event_loop.h"

namespace anchorhold::bench {
namespace {

using testing::HasSubstr;
using Kind = PeerRequest::Kind;

TEST(Peer, text_that_names_a_vmm_is_understood) {
    struct Case {
        const char* text;
        Kind kind;
        const char* program;
        const char* kernel;
    };
    const Case cases[] = {
        {"qemu", Kind::kQemu, "/usr/bin/qemu-system-x86_64", ""},
        {"qemu=/opt/qemu", Kind::kQemu, "/opt/qemu", ""},
        {"qemu,kernel=/k", Kind::kQemu, "/usr/bin/qemu-system-x86_64", "/k"},
        {"firecracker=/opt/fc", Kind::kFirecracker, "/opt/fc", ""},
        {"cloud-hypervisor=/opt/ch,kernel=/k", Kind::kCloudHypervisor, "/opt/ch", "/k"},
    };
    for (const Case& one : cases) {
        const auto peer = parse_peer(one.text);
        ASSERT_TRUE(peer) << one.text << ": " << peer.error().message;
        EXPECT_EQ(peer->kind, one.kind) << one.text;
        EXPECT_EQ(peer->program, one.program) << one.text;
        EXPECT_EQ(peer->kernel, one.kernel) << one.text;
    }
}

TEST(Peer, text_that_cannot_be_meant_is_refused_with_what_to_write) {
    const std::pair<const char*, const char*> cases[] = {
        {"xen", "no such peer"},
        {"", "no such peer"},
        {"firecracker", "firecracker=/path"},
        {"firecracker=", "firecracker=/path"},
        {"firecracker=relative", "firecracker=/path"},
        {"qemu=", "qemu=/path"},
        {"cloud-hypervisor=/opt/ch", "virtio-pci"},
    };
    for (const auto& [text, expected] : cases) {
        const auto peer = parse_peer(text);
        ASSERT_FALSE(peer) << text;
        EXPECT_THAT(peer.error().message, HasSubstr(expected)) << text;
    }
}

TEST(Peer, program_that_is_missing_is_an_error_that_names_it) {
    const auto loop = EventLoop::create();
    ASSERT_TRUE(loop);
    const auto peer = make_peer(
        **loop, {.kind = Kind::kFirecracker, .program = "/nonexistent/vmm", .kernel = {}}, {});
    ASSERT_FALSE(peer);
    EXPECT_THAT(peer.error().message, HasSubstr("/nonexistent/vmm"));
}

TEST(Peer, program_that_refuses_to_say_its_version_is_an_error) {
    const auto loop = EventLoop::create();
    ASSERT_TRUE(loop);
    const auto peer =
        make_peer(**loop, {.kind = Kind::kFirecracker, .program = "/bin/false", .kernel = {}}, {});
    ASSERT_FALSE(peer);
    EXPECT_THAT(peer.error().message, HasSubstr("--version failed"));
}

}  // namespace
}  // namespace anchorhold::bench
