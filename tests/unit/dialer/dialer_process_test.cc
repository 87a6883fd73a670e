// The program itself, locked down: it connects, hands over, and ends with its supervisor.
#include <fcntl.h>
#include <sys/socket.h>

#include <filesystem>
#include <fstream>

#include "base/seqpacket.h"
#include "base/spawn.h"
#include "proto/dialer.pb.h"
#include "proto/frame.h"
#include "rig.h"

namespace anchorhold::dialer {
namespace {

class DialerProcessTest : public testing::Test {
  protected:
    void SetUp() override {
        auto pair = sys::socket_pair(SOCK_SEQPACKET).value();
        control = std::move(pair.first);
        const OwnFd nothing = sys::open("/dev/null", O_RDWR).value();
        SpawnRequest request;
        request.path = DIALER;
        request.arguments = {"anchorhold-dialer"};
        request.descriptors = {
            {nothing.get(), 0}, {nothing.get(), 1}, {2, 2}, {pair.second.get(), 3}};
        child = spawn(request).value();
    }
    void add_client(std::vector<std::string> hosts) {
        auto pair = sys::socket_pair(SOCK_SEQPACKET).value();
        proto::DialerCommand message;
        message.mutable_add_client()->set_client(1);
        for (const std::string& host : hosts) {
            proto::Destination& destination = *message.mutable_add_client()->add_destinations();
            destination.set_host(host);
            destination.add_ports(server.port());
            destination.add_private_ranges("127.0.0.0/8");
            destination.add_private_ranges("::1/128");
        }
        const int passed = pair.second.get();
        ASSERT_TRUE(send_packet(control.get(), message.SerializeAsString(), {&passed, 1}));
        channel = std::move(pair.first);
    }
    Packet dial(const std::string& host) {
        proto::Dial question;
        question.set_id(1);
        question.set_host(host);
        question.set_port(server.port());
        EXPECT_TRUE(send_packet(channel.get(), question.SerializeAsString()));
        return receive_packet(channel.get()).value().value();
    }
    std::string status_field(const std::string& name) const {
        std::ifstream file("/proc/" + std::to_string(child.pid()) + "/status");
        for (std::string line; std::getline(file, line);) {
            if (line.starts_with(name + ":")) {
                return line.substr(line.find_last_of("\t ") + 1);
            }
        }
        return "";
    }

    LoopbackServer server;
    OwnFd control;
    OwnFd channel;
    Child child;
};

TEST_F(DialerProcessTest, name_of_the_hosts_file_is_resolved_and_connected_behind_the_filter) {
    add_client({"localhost"});
    const Packet packet = dial("localhost");
    const auto answer = proto::parse<proto::DialAnswer>(packet.bytes, "answer").value();
    EXPECT_EQ(answer.outcome(), proto::DialAnswer::CONNECTED) << answer.detail();
    EXPECT_EQ(packet.fds.size(), 1U);
}

TEST_F(DialerProcessTest, process_has_no_privilege_left) {
    add_client({});
    EXPECT_EQ(proto::parse<proto::DialAnswer>(dial("a.example").bytes, "answer").value().outcome(),
              proto::DialAnswer::NOT_LISTED);
    EXPECT_EQ(status_field("NoNewPrivs"), "1");
    EXPECT_EQ(status_field("Seccomp"), "2");
    EXPECT_EQ(status_field("CapEff"), "0000000000000000");
    EXPECT_EQ(status_field("CapPrm"), "0000000000000000");
}

TEST_F(DialerProcessTest, end_of_the_supervisor_ends_it_well) {
    control.reset();
    const ExitStatus status = child.wait().value();
    EXPECT_EQ(status.code, 0);
    EXPECT_EQ(status.signal, 0);
}

TEST_F(DialerProcessTest, command_that_is_not_as_agreed_ends_it_with_an_error) {
    ASSERT_TRUE(send_packet(control.get(), "\xff\xff"));
    EXPECT_EQ(child.wait().value().code, 1);
}

}  // namespace
}  // namespace anchorhold::dialer
