// Raw bytes in, fields or a refusal out.
#include "guest-init/egress/dns_message.h"

#include <gtest/gtest.h>

#include <vector>

namespace anchorhold::guest_init::dns {
namespace {

using Bytes = std::vector<uint8_t>;

constexpr uint8_t kHeader[] = {0xab, 0xcd, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0};
constexpr uint8_t kQuestion[] = {3,   'W', 'w', 'w', 7, 'e', 'x', 'a', 'm',
                                 'p', 'l', 'e', 0,   0, 1,   0,   1};
constexpr uint8_t kOpt[] = {0, 0, 41, 0x04, 0xd0, 0, 0, 0x80, 0, 0, 0};

Bytes query() {
    Bytes bytes(std::begin(kHeader), std::end(kHeader));
    bytes.insert(bytes.end(), std::begin(kQuestion), std::end(kQuestion));
    return bytes;
}
Bytes with_opt(uint8_t count = 1) {
    Bytes bytes = query();
    bytes[11] = count;
    for (int i = 0; i < count; ++i) {
        bytes.insert(bytes.end(), std::begin(kOpt), std::end(kOpt));
    }
    return bytes;
}

// The code a message is refused with; -1 for a query, -2 for silence.
int refusal_of(const Bytes& message) {
    const auto parsed = parse_query(message);
    if (!parsed) {
        return -2;
    }
    const auto* const refusal = std::get_if<Refusal>(&*parsed);
    return refusal == nullptr ? -1 : static_cast<int>(refusal->code);
}

TEST(DnsMessage, query_is_parsed) {
    const Bytes bytes = query();
    const auto parsed = parse_query(bytes);
    ASSERT_TRUE(parsed);
    const auto& result = std::get<Query>(*parsed);
    EXPECT_EQ(result.name, "www.example");
    EXPECT_EQ(result.type, kTypeA);
    EXPECT_EQ(result.query_class, kClassIn);
    EXPECT_EQ(result.header.id, 0xabcd);
    EXPECT_FALSE(result.extended);
    EXPECT_EQ(result.question.size(), sizeof kQuestion);
}

TEST(DnsMessage, opt_record_is_seen_and_answered) {
    const Bytes bytes = with_opt();
    const auto parsed = parse_query(bytes);
    const auto& result = std::get<Query>(*parsed);
    EXPECT_TRUE(result.extended);
    const std::string answer = answer_nothing(result, ResponseCode::kNoError, 5);
    EXPECT_EQ(static_cast<uint8_t>(answer.at(11)), 1);
    EXPECT_EQ(static_cast<uint8_t>(answer.at(answer.size() - 9)), 41);
}

TEST(DnsMessage, malformed_queries_are_refused) {
    struct Case {
        const char* what;
        Bytes bytes;
        int outcome;
    };
    std::vector<Case> cases;
    for (size_t size = 0; size < query().size(); ++size) {
        Bytes cut = query();
        cut.resize(size);
        cases.push_back({"cut", cut, size < 12 ? -2 : 1});
    }
    const auto changed = [](size_t at, uint8_t value) {
        Bytes bytes = query();
        bytes[at] = value;
        return bytes;
    };
    cases.push_back({"an answer", changed(2, 0x81), -2});
    cases.push_back({"opcode", changed(2, 0x29), 4});
    cases.push_back({"no question", changed(5, 0), 1});
    cases.push_back({"two questions", changed(5, 2), 1});
    cases.push_back({"an answer record", changed(7, 1), 1});
    cases.push_back({"an authority record", changed(9, 1), 1});
    cases.push_back({"a missing additional record", changed(11, 1), 1});
    cases.push_back({"a compressed name", changed(12, 0xc0), 1});
    cases.push_back({"a label type of old", changed(12, 0x41), 1});
    cases.push_back({"two OPT records", with_opt(2), 1});
    Bytes version = with_opt();
    version[query().size() + 6] = 1;
    cases.push_back({"EDNS version 1", version, 4});
    Bytes beyond = with_opt();
    beyond.back() = 9;
    cases.push_back({"an option beyond the end", beyond, 1});
    Bytes many = query();
    many[11] = 200;
    cases.push_back({"200 records", many, 1});
    Bytes long_query = query();
    long_query.resize(kMaxQuery + 1);
    cases.push_back({"a long query", long_query, 1});
    for (const Case& one : cases) {
        EXPECT_EQ(refusal_of(one.bytes), one.outcome) << one.what << " " << one.bytes.size();
    }
}

TEST(DnsMessage, name_of_255_octets_passes_and_256_do_not) {
    for (const uint8_t last : {uint8_t{61}, uint8_t{62}}) {
        Bytes bytes(std::begin(kHeader), std::end(kHeader));
        for (const uint8_t length : {uint8_t{63}, uint8_t{63}, uint8_t{63}, last}) {
            bytes.push_back(length);
            bytes.insert(bytes.end(), length, 'a');
        }
        bytes.insert(bytes.end(), {0, 0, 1, 0, 1});
        EXPECT_EQ(refusal_of(bytes), last == 61 ? -1 : 1);
    }
}

TEST(DnsMessage, odd_bytes_are_escaped) {
    Bytes bytes(std::begin(kHeader), std::end(kHeader));
    bytes.insert(bytes.end(), {5, 'a', '.', 0, 0xff, '_', 0, 0, 1, 0, 1});
    const auto parsed = parse_query(bytes);
    EXPECT_EQ(std::get<Query>(*parsed).name, "a\\046\\000\\255_");
}

TEST(DnsMessage, answer_has_address_and_repeats_the_question) {
    const Bytes bytes = query();
    const auto parsed = parse_query(bytes);
    const uint8_t address[] = {198, 18, 0, 2};
    const std::string answer = answer_address(std::get<Query>(*parsed), address, 60);
    const Bytes expected{0xab, 0xcd, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0};
    EXPECT_EQ(Bytes(answer.begin(), answer.begin() + 12), expected);
    EXPECT_TRUE(std::equal(std::begin(kQuestion), std::end(kQuestion), answer.begin() + 12,
                           [](uint8_t a, char b) { return a == static_cast<uint8_t>(b); }));
    const Bytes record{0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 198, 18, 0, 2};
    EXPECT_EQ(Bytes(answer.end() - 16, answer.end()), record);
}

TEST(DnsMessage, host_names_are_ldh) {
    for (const char* good :
         {"a", "example.com", "xn--bcher-kva.example", "1.example", "a-b.c1", "3com.3m"}) {
        EXPECT_TRUE(is_host_name(good)) << good;
    }
    for (const char* bad : {"", ".", "a.", ".a", "a..b", "-a", "a-", "a-.b", "a_b.c", "1",
                            "1.2.3.4", "example.123", "A.b", "a b", "a\\046b"}) {
        EXPECT_FALSE(is_host_name(bad)) << bad;
    }
    EXPECT_FALSE(is_host_name(std::string(64, 'a')));
    std::string name;
    while (name.size() < 252) {
        name += "a.";
    }
    EXPECT_TRUE(is_host_name(name + "a"));
    EXPECT_FALSE(is_host_name(name + "a.a"));
}

}  // namespace
}  // namespace anchorhold::guest_init::dns
