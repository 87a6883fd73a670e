// A guest with root that speaks to the vsock ports itself: each attack ends in a denial and an
// event, or in nothing at all.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "base/sys.h"
#include "guest-init/cpio_archive.h"
#include "vm/window_home.h"
#include "window/stand_in.h"

namespace anchorhold::vm_test {
namespace {

using window_test::ByteStream;
using window_test::Received;
using window_test::StandIn;

constexpr const char* kPolicy = R"(version: 1
kind: grant
name: report
allow:
  - host: report.example.com
    protocol: http
    port: 80
    methods: [GET, POST]
    paths: ["/v1/**"]
    private_ranges: [127.0.0.0/8]
)";

// What became of each attack, as hostile_init.cc says it.
struct Expected {
    const char* attack;
    const char* outcome;
    const char* reason;  // of the denial on record
};
constexpr Expected kExpected[] = {
    {"frame_of_4_gib", "ended", "malformed"},
    {"frame_beyond_the_bound", "ended", "malformed"},
    {"frame_of_garbage", "ended", "malformed"},
    {"frame_cut_off", "ended", "malformed"},
    {"no_claim", "ended", "malformed"},
    {"port_zero", "ended", "malformed"},
    {"port_that_wraps", "ended", "malformed"},
    {"host_with_nul", "ended", "malformed"},
    {"address_of_5_bytes", "ended", "malformed"},
    {"http_without_claim", "ended", "malformed"},
    {"name_nobody_granted", "403", "no_rule"},
    {"name_of_the_host", "403", "no_rule"},
    {"metadata", "403", "no_rule"},
    {"loopback", "403", "no_rule"},
    {"loopback_v6", "403", "no_rule"},
    {"path_nobody_granted", "403", "no_rule"},
    {"other_host_behind_the_claim", "421", "host_mismatch"},
    {"forged_identity", "403", "no_rule"},
    {"raw_bytes_to_another_port", "ended", "no_rule"},
    {"garbage_notice", "ended", nullptr},
    {"open_ports", "1025 1026", nullptr},
    {"cid_0", "refused", nullptr},
    {"cid_3", "refused", nullptr},
    {"cid_4", "refused", nullptr},
    {"cid_1000", "refused", nullptr},
    {"flood", "bounded", nullptr},
    {"during_flood", "200", nullptr},
};

// An initial RAM disk of the hostile program alone.
std::string hostile_ram_disk() {
    constexpr size_t kMost = size_t{64} << 20;
    const auto own = std::filesystem::read_symlink("/proc/self/exe");
    const std::string program =
        sys::read_file(own.parent_path() / "vm_hostile_init", kMost).value();
    guest_init::CpioArchive archive;
    archive.add({.name = "dev", .mode = S_IFDIR | 0755});
    archive.add(
        {.name = "dev/console", .mode = S_IFCHR | 0600, .device_major = 5, .device_minor = 1});
    archive.add({.name = "init", .mode = S_IFREG | 0755, .content = program});
    return archive.finish();
}

class HostileRoot : public ::testing::Test {
  protected:
    HostileRoot()
        : upstream_(
              [](const Received&, ByteStream& stream) {
                  return stream.write(window_test::ok_answer("hello"));
              },
              {.tls = false}) {
        home_.set_roots(upstream_.root_pem());
        home_.add_upstream("report.example.com", upstream_.port());
        home_.add_policy("report", kPolicy);
        // The installation as it is, but for the guest's first program.
        std::filesystem::create_directories(library());
        for (const auto& entry : std::filesystem::directory_iterator(library_path())) {
            if (entry.path().filename() != "init.cpio") {
                std::filesystem::create_symlink(entry.path(), library() / entry.path().filename());
            }
        }
        std::ofstream(library() / "init.cpio", std::ios::binary) << hostile_ram_disk();
    }
    [[nodiscard]] std::filesystem::path library() const { return home_.path("library"); }
    [[nodiscard]] Completed with_library(Invocation invocation) const {
        invocation.environment.push_back("ANCHORHOLD_LIBRARY=" + library().string());
        return anchorhold(invocation);
    }

    StandIn upstream_;
    WindowHome home_;
};

TEST_F(HostileRoot, gains_nothing_on_the_vsock_ports) {
    const Completed done = with_library(home_.run("true", {.image = "tiny", .memory = "256M"}));
    EXPECT_FALSE(done.timed_out) << done.err;
    EXPECT_NE(done.err.find("init's report is not a valid message"), std::string::npos);
    EXPECT_NE(done.status, 0) << "a guest that never was ready ran a command";
    EXPECT_EQ(done.err.find('\x1b'), std::string::npos) << done.err;

    const auto received = upstream_.received();
    ASSERT_EQ(received.size(), 2U) << done.err << (received.empty() ? "" : received[0].body);
    EXPECT_TRUE(received[0].head.starts_with("GET /v1/flood ")) << received[0].head;
    EXPECT_TRUE(received[1].head.starts_with("POST /v1/report ")) << received[1].head;
    const Completed shown = anchorhold(home_.invocation({"audit", "show", "last", "--json"}));
    for (const Expected& each : kExpected) {
        EXPECT_NE(("\n" + received[1].body)
                      .find("\n" + std::string(each.attack) + ": " + each.outcome + "\n"),
                  std::string::npos)
            << each.attack << " in:\n"
            << received[1].body;
        if (each.reason != nullptr) {
            EXPECT_NE(shown.out.find("\"reason\":\"" + std::string(each.reason) + "\""),
                      std::string::npos)
                << each.attack;
        }
    }
    const Completed verified = anchorhold(home_.invocation({"audit", "verify", "last"}));
    EXPECT_EQ(verified.status, 0) << verified.out;
}

}  // namespace
}  // namespace anchorhold::vm_test
