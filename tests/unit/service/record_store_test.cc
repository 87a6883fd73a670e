// Whatever step a crash comes at, the next start finds the old record or the new one.
#include "supervisor/service/record_store.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "faulty_steps.h"
#include "temporary_folder.h"

namespace anchorhold::service {
namespace {

class RecordStoreTest : public testing::Test {
  protected:
    void open() {
        store.reset();
        auto opened = RecordStore::open(folder.path() + "/sandboxes", steps);
        ASSERT_TRUE(opened) << opened.error().message;
        store = std::move(*opened);
    }
    static Record record(const std::string& name, uint64_t generation) {
        Record result;
        result.name = name;
        result.id = random_id();
        result.generation = generation;
        result.state = SandboxState::running;
        return result;
    }
    // After a crash: what a new store finds, as "name:generation …".
    std::string found() {
        steps.work();
        open();
        const auto loaded = store->load();
        EXPECT_TRUE(loaded);
        EXPECT_TRUE(loaded->damaged.empty());
        std::string text;
        for (const Record& each : loaded->records) {
            text += (text.empty() ? "" : " ") + each.name + ":" + std::to_string(each.generation);
        }
        return text;
    }
    [[nodiscard]] size_t entries() const {
        size_t count = 0;
        for ([[maybe_unused]] const auto& entry :
             std::filesystem::directory_iterator(folder.path() + "/sandboxes")) {
            ++count;
        }
        return count;
    }

    FaultySteps steps;
    supervisor::TemporaryFolder folder;
    std::unique_ptr<RecordStore> store;
};

TEST_F(RecordStoreTest, creation_that_stops_anywhere_is_whole_or_nothing) {
    for (size_t step = 0;; ++step) {
        const std::string name = "new" + std::to_string(step);
        open();
        steps.fail_from(step);
        const bool done = store->create(record(name, 1)).has_value();
        const std::string after = found();
        if (done) {
            EXPECT_EQ(after, name + ":1");
            EXPECT_GE(step, 6U) << "fewer steps than a durable creation needs";
            return;
        }
        EXPECT_TRUE(after.empty() || after == name + ":1") << step << " " << after;
        if (!after.empty()) {
            ASSERT_TRUE(store->remove(name));
        }
        EXPECT_EQ(entries(), 0U) << step;
    }
}

TEST_F(RecordStoreTest, change_that_stops_anywhere_leaves_the_old_or_the_new_one) {
    open();
    ASSERT_TRUE(store->create(record("amber", 1)));
    for (size_t step = 0;; ++step) {
        open();
        ASSERT_TRUE(store->save(record("amber", 1)));
        steps.fail_from(step);
        const bool done = store->save(record("amber", 2)).has_value();
        const std::string after = found();
        if (done) {
            EXPECT_EQ(after, "amber:2");
            return;
        }
        EXPECT_TRUE(after == "amber:1" || after == "amber:2") << step << " " << after;
    }
}

TEST_F(RecordStoreTest, removal_that_stops_anywhere_leaves_all_or_nothing) {
    for (size_t step = 0;; ++step) {
        open();
        ASSERT_TRUE(store->create(record("amber", 1)));
        steps.fail_from(step);
        const bool done = store->remove("amber").has_value();
        const std::string after = found();
        EXPECT_TRUE(after.empty() || after == "amber:1") << step << " " << after;
        if (!after.empty()) {
            ASSERT_TRUE(store->remove("amber"));
        }
        EXPECT_EQ(entries(), 0U) << step;
        if (done) {
            EXPECT_TRUE(after.empty());
            return;
        }
    }
}

TEST_F(RecordStoreTest, name_that_is_taken_is_refused) {
    open();
    ASSERT_TRUE(store->create(record("amber", 1)));
    const Status again = store->create(record("amber", 2));
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, EEXIST);
    EXPECT_EQ(found(), "amber:1");
}

TEST_F(RecordStoreTest, second_supervisor_is_refused) {
    open();
    FileSteps others;
    const auto second = RecordStore::open(folder.path() + "/sandboxes", others);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, EBUSY);
}

TEST_F(RecordStoreTest, damaged_record_is_told_and_left) {
    folder.write("sandboxes/amber/record.json", "{");
    std::filesystem::permissions(folder.path() + "/sandboxes", std::filesystem::perms::owner_all);
    open();
    const auto loaded = store->load();
    ASSERT_TRUE(loaded);
    ASSERT_EQ(loaded->damaged.size(), 1U);
    EXPECT_NE(loaded->damaged[0].find("amber/record.json"), std::string::npos);
    EXPECT_EQ(entries(), 1U);
    EXPECT_FALSE(store->create(record("amber", 1)));
}

TEST_F(RecordStoreTest, record_of_another_name_is_damaged) {
    open();
    ASSERT_TRUE(store->create(record("amber", 1)));
    std::filesystem::rename(store->folder_of("amber"), store->folder_of("birch"));
    const auto loaded = store->load();
    ASSERT_TRUE(loaded);
    EXPECT_EQ(loaded->damaged.size(), 1U);
}

}  // namespace
}  // namespace anchorhold::service
