// Records to JSON and back, and names.
#include "supervisor/service/record.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace anchorhold::service {
namespace {

Record example() {
    Record record;
    record.name = "amber";
    record.id = random_id();
    record.generation = 7;
    record.state = SandboxState::hibernated;
    record.pending = PendingOperation{"resume", "source", 3};
    record.image = "tiny";
    record.template_name = "python";
    record.cpus = 2;
    record.memory_bytes = uint64_t{1} << 40;
    record.policies = {"a", "b"};
    record.labels = {{"team", "blue"}};
    record.snapshot = "snapshot-7";
    record.created_unix = 1'700'000'000;
    return record;
}

TEST(RecordTest, record_comes_back_as_it_was_written) {
    const std::string text = to_json(example());
    const auto read = parse_record(text);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->pending->source, "source");
    EXPECT_EQ(read->memory_bytes, uint64_t{1} << 40);
    EXPECT_EQ(read->labels.at("team"), "blue");
    Record again = *read;
    again.id = parse_record(text)->id;
    EXPECT_EQ(to_json(again), text);
}

TEST(RecordTest, every_field_is_missed_and_typed) {
    const auto good = nlohmann::ordered_json::parse(to_json(example()));
    for (const auto& [key, value] : good.items()) {
        nlohmann::ordered_json broken = good;
        broken[key] = nlohmann::json::array({1});
        EXPECT_FALSE(parse_record(broken.dump())) << key;
        if (key != "pending") {
            broken.erase(key);
            EXPECT_FALSE(parse_record(broken.dump())) << key;
        }
    }
    nlohmann::ordered_json escaping = good;
    escaping["snapshot"] = "../other";
    EXPECT_FALSE(parse_record(escaping.dump()));
    for (const char* text : {"", "{", "[]", "null", "{\"format\":2}"}) {
        EXPECT_FALSE(parse_record(text)) << text;
    }
}

TEST(RecordTest, names_are_labels) {
    for (const char* good : {"a", "0", "amber-1", "a--b"}) {
        EXPECT_TRUE(check_name(good)) << good;
    }
    EXPECT_TRUE(check_name(std::string(63, 'a')));
    EXPECT_FALSE(check_name(std::string(64, 'a')));
    for (const char* bad : {"", "-a", "a-", "A", "a.b", "a_b", "a/b", "..", ".", "ä", "a b"}) {
        EXPECT_FALSE(check_name(bad)) << bad;
    }
    EXPECT_TRUE(check_template_name("python-3.11_slim"));
    EXPECT_FALSE(check_template_name("../x"));
}

TEST(RecordTest, ids_differ) {
    EXPECT_EQ(random_id().size(), 32U);
    EXPECT_NE(random_id(), random_id());
}

}  // namespace
}  // namespace anchorhold::service
