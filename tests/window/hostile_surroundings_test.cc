// Ways out that are no requests: the window's own processes, names as a tunnel, notices, and an
// allowed service as a drop box.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "proto/egress.pb.h"
#include "proto/frame.h"
#include "window/hostile.h"

namespace anchorhold::window_test {
namespace {

using namespace std::string_literals;

const std::string kRequest = "GET /v1/models HTTP/1.1\r\nHost: api.example.com\r\n\r\n";

// ---- the window's own processes ----------------------------------------------------------------

// Inodes of sockets that listen, or that take datagrams from anybody.
std::set<std::string> open_to_others(pid_t pid) {
    std::set<std::string> inodes;
    const std::string net = "/proc/" + std::to_string(pid) + "/net/";
    for (const char* table : {"tcp", "tcp6", "udp", "udp6", "raw", "raw6"}) {
        std::ifstream file(net + table);
        std::string line;
        std::getline(file, line);
        while (std::getline(file, line)) {
            std::istringstream words(line);
            std::string word;
            std::vector<std::string> fields;
            while (words >> word) {
                fields.push_back(word);
            }
            constexpr size_t kState = 3;
            constexpr size_t kInode = 9;
            if (fields.size() > kInode &&
                (fields[kState] == "0A" || !std::string_view(table).starts_with("tcp"))) {
                inodes.insert("socket:[" + fields[kInode] + "]");
            }
        }
    }
    return inodes;
}

TEST_F(HostileGuest, no_process_of_the_window_can_be_connected_to) {
    EXPECT_EQ(window.ask("api.example.com", kRequest).status, 200);
    for (const pid_t pid : {window.proxy_pid(), window.zygote_pid(), window.dialer_pid()}) {
        ASSERT_GT(pid, 1);
        const std::set<std::string> inodes = open_to_others(pid);
        for (const auto& entry :
             std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd")) {
            std::error_code gone;
            const std::string target = std::filesystem::read_symlink(entry.path(), gone);
            EXPECT_FALSE(inodes.contains(target)) << pid << " has " << target;
        }
    }
    // The proxy's namespace has nothing at all, not even what others in it would have.
    EXPECT_TRUE(open_to_others(window.proxy_pid()).empty());
}

struct Inside {
    const char* name;
    std::string host;     // or
    std::string address;  // of the claim
};
void PrintTo(const Inside& inside, std::ostream* out) {
    *out << inside.name;
}
class HostSurface : public HostileGuest, public ::testing::WithParamInterface<Inside> {};

// Nothing in the window's policy names them: they are denied without being looked up or dialled.
TEST_P(HostSurface, is_denied_and_never_dialled) {
    proto::StreamOpen claim;
    if (!GetParam().host.empty()) {
        claim.set_host(GetParam().host);
    } else {
        claim.set_address(GetParam().address);
    }
    claim.set_port(upstream.port());
    const auto stream = window.open(claim);
    const std::string host = GetParam().host.empty() ? "127.0.0.1" : GetParam().host;
    stream->write("GET / HTTP/1.1\r\nHost: " + host + ":" + std::to_string(upstream.port()) +
                  "\r\n\r\n");
    std::string buffer;
    EXPECT_GE(read_answer(*stream, buffer).status, 400);
    window.wait_for([](const proto::AuditEvent& event) {
        return event.has_decision() && event.decision().verdict() == proto::RequestDecided::DENY;
    });
    EXPECT_EQ(upstream.connections(), 0U);
}

const Inside kSurface[] = {
    {"localhost", "localhost", ""},
    {"localhost_localdomain", "localhost.localdomain", ""},
    {"host_of_the_containers", "host.docker.internal", ""},
    {"metadata_by_name", "metadata.google.internal", ""},
    {"gateway_by_name", "_gateway.example"s.substr(1), ""},
    {"loopback", "", "\x7f\0\0\x01"s},
    {"loopback_v6", "", std::string(15, '\0') + "\x01"},
    {"any", "", "\0\0\0\0"s},
    {"link_local_metadata", "", "\xa9\xfe\xa9\xfe"s},
    {"gateway", "", "\x0a\0\x02\x02"s},
    {"synthetic", "", "\xc6\x12\0\x01"s},
    {"mapped_loopback", "", std::string(10, '\0') + "\xff\xff\x7f\0\0\x01"s},
};
INSTANTIATE_TEST_SUITE_P(Claim, HostSurface, ::testing::ValuesIn(kSurface),
                         [](const auto& each) { return std::string(each.param.name); });

// ---- names as a tunnel -------------------------------------------------------------------------

// Data in labels of names that nobody granted: no resolver is asked, or the reason would be
// another.
TEST_F(HostileGuest, data_in_names_is_denied_without_a_lookup) {
    for (int i = 0; i < 50; ++i) {
        const std::string label(63, static_cast<char>('a' + i % 26));
        const std::string host = label + "." + std::to_string(i) + ".api.example.com";
        const auto stream = window.open(host, 80);
        stream->write("GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n");
        std::string buffer;
        const HttpAnswer answer = read_answer(*stream, buffer);
        EXPECT_EQ(answer.status, 403);
        EXPECT_NE(answer.body.find("no_rule"), std::string::npos) << answer.body;
    }
    EXPECT_EQ(upstream.connections(), 0U);
}

std::string notice_of(const std::string& name) {
    proto::GuestNotice notice;
    notice.mutable_dns()->set_name(name);
    notice.mutable_dns()->set_type(1);
    std::string frame;
    proto::append_frame(frame, notice);
    return frame;
}

TEST_F(HostileGuest, questions_are_on_record_and_escaped) {
    const auto notices = window.open_notices();
    notices->write(notice_of("exfiltrated-data.evil.example.com") + notice_of("a\x1b[2J\n\"b"));
    window.wait_for([](const proto::AuditEvent& event) {
        return event.has_dns() && event.dns().name() == "a\x1b[2J\n\"b";
    });
    EXPECT_NE(window.log_text().find("exfiltrated-data.evil.example.com"), std::string::npos);
    EXPECT_EQ(window.log_text().find('\x1b'), std::string::npos);
}

class HostileNotice : public HostileGuest, public ::testing::WithParamInterface<Inside> {};

TEST_P(HostileNotice, ends_its_stream_and_disturbs_nobody) {
    const auto notices = window.open_notices();
    notices->write(GetParam().host);
    EXPECT_TRUE(read_to_end(*notices));
    EXPECT_EQ(window.ask("api.example.com", kRequest).status, 200);
    const auto another = window.open_notices();
    another->write(notice_of("next.example.com"));
    window.wait_for([](const proto::AuditEvent& event) {
        return event.has_dns() && event.dns().name() == "next.example.com";
    });
}

const Inside kNotices[] = {
    {"garbage", "\x08\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff"s, ""},
    {"frame_of_4_gib", "\xff\xff\xff\xff"s, ""},
    {"beyond_the_bound", "\x01\x10\0\0"s + std::string(4097, 'a'), ""},
    {"nothing", "\0\0\0\0"s, ""},
    {"name_of_256", notice_of(std::string(256, 'a')), ""},
};
INSTANTIATE_TEST_SUITE_P(Notice, HostileNotice, ::testing::ValuesIn(kNotices),
                         [](const auto& each) { return std::string(each.param.name); });

TEST_F(HostileGuest, flood_of_questions_stops_nobody) {
    const auto notices = window.open_notices();
    std::thread flood([&] {
        std::string all;
        for (int i = 0; i < 20'000; ++i) {
            all += notice_of(std::to_string(i) + ".evil.example.com");
        }
        notices->write(all);
    });
    for (int i = 0; i < 5; ++i) {
        EXPECT_EQ(window.ask("api.example.com", kRequest).status, 200);
    }
    flood.join();
}

// ---- an allowed service as a drop box ----------------------------------------------------------

constexpr const char* kStore = R"(
version: 1
kind: grant
name: store
allow:
  - host: api.example.com
    methods: [GET]
    paths: ["/public/**"]
    private_ranges: [127.0.0.0/8]
  - host: api.example.com
    methods: [POST]
    paths: ["/v1/messages"]
    max_request_bytes: 2KiB
    private_ranges: [127.0.0.0/8]
limits:
  - {bytes_out: 4KiB, per: 1h, hosts: [api.example.com]}
credentials:
  - secret: api-key
    host: api.example.com
    kind: bearer
    variable: API_KEY
)";

std::string drop(const std::string& method, const std::string& target, size_t bytes,
                 const std::string& fields = {}) {
    return method + " " + target + " HTTP/1.1\r\nHost: api.example.com\r\n" + fields +
           "Content-Length: " + std::to_string(bytes) + "\r\n\r\n" + std::string(bytes, 'd');
}

class DropBox : public HostileRequest {
  protected:
    DropBox() : HostileRequest(kStore) {}
};

TEST_P(DropBox, beyond_its_rules_is_denied) {
    expect_denied(GetParam());
}

const Attack kDrops[] = {
    {"put", drop("PUT", "/public/loot", 10), "no_rule", 403},
    {"post_elsewhere", drop("POST", "/public/loot", 10), "no_rule", 403},
    {"patch", drop("PATCH", "/v1/messages", 10), "no_rule", 403},
    {"own_account", drop("POST", "/v1/messages", 10, "Authorization: Bearer attackers\r\n"),
     "foreign_credential", 403},
    {"own_session", drop("POST", "/v1/messages", 10, "Cookie: session=attackers\r\n"),
     "foreign_credential", 403},
    {"large", drop("POST", "/v1/messages", 3000), "body_too_large", 413},
};
INSTANTIATE_TEST_SUITE_P(Drop, DropBox, ::testing::ValuesIn(kDrops), attack_name);

TEST_F(DropBox, volume_to_an_allowed_path_is_bounded_by_its_limit) {
    const std::string one = drop("POST", "/v1/messages", 1500);
    EXPECT_EQ(window.ask("api.example.com", one).status, 200);
    EXPECT_EQ(window.ask("api.example.com", one).status, 200);
    EXPECT_EQ(window.ask("api.example.com", one).status, 429);
    window.wait_for_denial("limit");
    EXPECT_EQ(upstream.received().size(), 2U);
}

}  // namespace
}  // namespace anchorhold::window_test
