// The stub over its sockets, and what the host learns of it.
#include "guest-init/egress/dns_stub.h"

#include "egress_rig.h"

namespace anchorhold::guest_init {
namespace {

using DnsStubTest = EgressTest;

int code_of(const std::string& answer) {
    return static_cast<uint8_t>(answer.at(3)) & 0xf;
}
int records_of(const std::string& answer) {
    return static_cast<uint8_t>(answer.at(7));
}

TEST_F(DnsStubTest, other_types_have_no_data_and_an_soa) {
    for (const uint16_t type :
         {dns::kTypeAaaa, uint16_t{65}, uint16_t{15}, uint16_t{16}, uint16_t{33}}) {
        const std::string answer = ask(dns_query("example.com", type));
        EXPECT_EQ(code_of(answer), 0) << type;
        EXPECT_EQ(records_of(answer), 0) << type;
        EXPECT_EQ(static_cast<uint8_t>(answer.at(9)), 1) << type;
    }
}

TEST_F(DnsStubTest, localhost_is_loopback_and_nobodys_business) {
    EXPECT_EQ(resolve("localhost"), "127.0.0.1");
    EXPECT_EQ(resolve("app.localhost"), "127.0.0.1");
    const std::string answer = ask(dns_query("localhost", dns::kTypeAaaa));
    EXPECT_EQ(answer.substr(answer.size() - 16), std::string(15, '\0') + '\1');
    EXPECT_EQ(host.streams, 0U);
}

TEST_F(DnsStubTest, own_host_name_is_loopback_also_after_it_changed) {
    for (const std::string name : {"clone-7", "Clone-8.example"}) {
        ASSERT_EQ(::sethostname(name.data(), name.size()), 0);
        EXPECT_EQ(resolve(name), "127.0.0.1");
    }
    EXPECT_EQ(resolve("clone-7").substr(0, 7), "198.18.");
}

TEST_F(DnsStubTest, names_no_host_can_have_get_no_address) {
    EXPECT_EQ(records_of(ask(dns_query("_service.example.com"))), 0);
    EXPECT_EQ(records_of(ask(dns_query("-a.example.com"))), 0);
    EXPECT_EQ(records_of(ask(dns_query("10.0.0.1"))), 0);
    EXPECT_EQ(code_of(ask(dns_query("a b.example.com"))), 3);
}

TEST_F(DnsStubTest, tcp_answers_several_queries_of_one_segment) {
    const OwnFd socket = connect_to("127.0.0.1", DnsStub::kPort);
    std::string both;
    for (const char* name : {"one.example", "two.example"}) {
        const std::string query = dns_query(name);
        both.push_back('\0');
        both.push_back(static_cast<char>(query.size()));
        both += query;
    }
    ASSERT_TRUE(sys::write_all(socket.get(), both));
    std::string last;
    for (int i = 0; i < 2; ++i) {
        const std::string length = read_bytes(socket.get(), 2);
        const std::string answer = read_bytes(socket.get(), static_cast<uint8_t>(length.at(1)));
        EXPECT_EQ(records_of(answer), 1);
        EXPECT_NE(answer.substr(answer.size() - 4), last);
        last = answer.substr(answer.size() - 4);
    }
}

TEST_F(DnsStubTest, tcp_client_that_announces_too_much_is_closed) {
    const OwnFd socket = connect_to("127.0.0.1", DnsStub::kPort);
    ASSERT_TRUE(sys::write_all(socket.get(), "\xff\xff"));
    EXPECT_EQ(read_bytes(socket.get(), 1), "");
}

TEST_F(DnsStubTest, first_question_is_told_at_once_and_repeats_as_a_number) {
    const std::string address = resolve("example.com");
    resolve("example.com");
    resolve("example.com");
    const OwnFd stream = host.accept(proto::kNoticePort);
    const auto first = read_message<proto::GuestNotice>(stream.get()).dns();
    EXPECT_EQ(first.name(), "example.com");
    EXPECT_EQ(first.type(), dns::kTypeA);
    EXPECT_EQ(first.answer().size(), 4U);
    EXPECT_EQ(first.repeated(), 0U);
    const auto second = read_message<proto::GuestNotice>(stream.get()).dns();
    EXPECT_EQ(second.name(), "example.com");
    EXPECT_EQ(second.repeated(), 1U);
}

TEST_F(DnsStubTest, notices_wait_while_streams_are_held) {
    ask(dns_query("before.example"));
    const OwnFd first = host.accept(proto::kNoticePort);
    EXPECT_EQ(read_message<proto::GuestNotice>(first.get()).dns().name(), "before.example");
    hold();
    EXPECT_EQ(read_bytes(first.get(), 1), "");
    ask(dns_query("meanwhile.example"));
    EXPECT_EQ(host.streams, 1U);
    egress->release();
    const OwnFd second = host.accept(proto::kNoticePort);
    EXPECT_EQ(read_message<proto::GuestNotice>(second.get()).dns().name(), "meanwhile.example");
}

TEST_F(DnsStubTest, flood_of_names_becomes_a_number) {
    const OwnFd socket = connect_to("127.0.0.1", DnsStub::kPort, SOCK_DGRAM);
    char buffer[dns::kMaxAnswer];
    const size_t count = Notices::kPerSecond + 50;
    for (size_t i = 0; i < count; ++i) {
        const std::string query = dns_query("n" + std::to_string(i) + ".example");
        ASSERT_GT(::send(socket.get(), query.data(), query.size(), 0), 0);
        ASSERT_GT(::recv(socket.get(), buffer, sizeof buffer, 0), 0);
    }
    const OwnFd stream = host.accept(proto::kNoticePort);
    size_t told = 0;
    while (told < count) {
        const auto notice = read_message<proto::GuestNotice>(stream.get()).dns();
        told += 1 + notice.repeated();
        ASSERT_TRUE(!notice.name().empty() || told >= Notices::kPerSecond);
    }
    EXPECT_EQ(told, count);
}

TEST_F(DnsStubTest, host_that_wants_no_notices_does_not_disturb) {
    host.manner = FakeHost::Manner::kHangUp;
    EXPECT_EQ(resolve("example.com").substr(0, 7), "198.18.");
    EXPECT_EQ(resolve("example.org").substr(0, 7), "198.18.");
}

}  // namespace
}  // namespace anchorhold::guest_init
