// What a store gives out, refuses and cleans up.
#include "supervisor/templates/template_store.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "made_template.h"

namespace anchorhold::supervisor {
namespace {

using Names = std::set<std::string>;

class TemplateStoreTest : public testing::Test {
  protected:
    void expect_refused(const std::string& name, const std::string& what) const {
        const auto opened = home_.store().open(name, home_.cache());
        ASSERT_FALSE(opened) << "no error of: " << what;
        EXPECT_NE(opened.error().message.find(what), std::string::npos) << opened.error().message;
    }
    void expect_unverified(const std::string& name, const std::string& what) const {
        const Status verified =
            home_.store().verify(name, home_.cache(), StoreHome::installation());
        ASSERT_FALSE(verified) << "no error of: " << what;
        EXPECT_NE(verified.error().message.find(what), std::string::npos)
            << verified.error().message;
    }
    static void flip(const std::string& file, uint64_t offset) {
        const OwnFd fd = sys::open(file, O_RDWR).value();
        char byte = 0;
        ASSERT_EQ(::pread(fd.get(), &byte, 1, static_cast<off_t>(offset)), 1);
        byte = static_cast<char>(byte ^ 0x10);
        ASSERT_EQ(::pwrite(fd.get(), &byte, 1, static_cast<off_t>(offset)), 1);
    }

    StoreHome home_;
};

TEST_F(TemplateStoreTest, published_template_is_whole_and_listed) {
    ASSERT_TRUE(home_.make("one", "first"));
    EXPECT_EQ(home_.mark_of("one").value(), "first");
    const auto all = home_.store().list().value();
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0].name, "one");
    EXPECT_EQ(home_.entries(), Names{"one"});
}

TEST_F(TemplateStoreTest, list_is_in_order_of_names_and_empty_without_a_folder) {
    EXPECT_TRUE(home_.store().list().value().empty());
    for (const char* name : {"b", "c", "a"}) {
        ASSERT_TRUE(home_.make(name, name));
    }
    std::string names;
    const auto all = home_.store().list().value();
    for (const TemplateManifest& manifest : all) {
        names += manifest.name;
    }
    EXPECT_EQ(names, "abc");
}

TEST_F(TemplateStoreTest, files_are_their_owners_alone) {
    ASSERT_TRUE(home_.make("one", "first"));
    for (const std::string& path :
         {home_.templates(), home_.templates() + "/one", home_.file("one", template_file::kMemory),
          home_.file("one", template_file::kState), home_.file("one", template_file::kDisk)}) {
        struct stat status {};
        ASSERT_EQ(::stat(path.c_str(), &status), 0) << path;
        EXPECT_EQ(status.st_mode & 0077U, 0U) << path;
    }
}

TEST_F(TemplateStoreTest, newer_template_takes_the_place_of_the_older) {
    ASSERT_TRUE(home_.make("one", "first"));
    ASSERT_TRUE(home_.make("one", "second"));
    EXPECT_EQ(home_.mark_of("one").value(), "second");
    EXPECT_EQ(home_.entries(), Names{"one"});
}

TEST_F(TemplateStoreTest, template_that_is_open_outlives_its_replacement_and_removal) {
    ASSERT_TRUE(home_.make("one", "first"));
    const OpenTemplate opened = home_.store().open("one", home_.cache()).value();
    ASSERT_TRUE(home_.make("one", "second"));
    ASSERT_TRUE(home_.store().remove("one"));
    EXPECT_EQ(snapshot::read_state(opened.files.state.get()).value(), "first");
}

TEST_F(TemplateStoreTest, unfinished_one_is_nobodys_and_goes_with_its_builder) {
    ASSERT_TRUE(home_.make("one", "first"));
    {
        const NewTemplate made = home_.store().begin("one").value();
        ASSERT_TRUE(home_.fill(made, "one", "second"));
        EXPECT_EQ(home_.mark_of("one").value(), "first");
        EXPECT_EQ(home_.store().list().value().size(), 1U);
        EXPECT_EQ(home_.entries().size(), 2U);
    }
    EXPECT_EQ(home_.entries(), Names{"one"});
}

TEST_F(TemplateStoreTest, dead_builders_folders_are_swept_and_a_living_ones_is_not) {
    ASSERT_TRUE(home_.make("one", "first"));
    for (const char* dead : {".new-dead01", ".old-dead02"}) {
        std::filesystem::create_directories(home_.templates() + "/" + dead + "/inside");
    }
    const NewTemplate living = home_.store().begin("two").value();
    EXPECT_EQ(home_.entries().size(), 2U) << "one, and the living builder's";
    ASSERT_TRUE(home_.fill(living, "two", "2"));
    ASSERT_TRUE(home_.make("three", "3"));  // sweeps too
    EXPECT_TRUE(std::filesystem::exists(living.path(template_file::kManifest)));
}

// Each of them finds the others' folders, with and without a lock, at every moment.
TEST_F(TemplateStoreTest, many_at_once_begin_and_remove_without_sweeping_each_other) {
    ASSERT_TRUE(home_.make("first", "1"));
    std::atomic<int> failed = 0;
    std::vector<std::thread> builders;
    for (int number = 0; number < 8; ++number) {
        builders.emplace_back([&, name = "t" + std::to_string(number)] {
            for (int round = 0; round < 20; ++round) {
                const bool made = home_.make(name, name).has_value();
                failed += made && home_.store().remove(name) ? 0 : 1;
            }
        });
    }
    for (std::thread& builder : builders) {
        builder.join();
    }
    EXPECT_EQ(failed, 0);
    EXPECT_EQ(home_.entries(), std::set<std::string>{"first"});
}

TEST_F(TemplateStoreTest, two_builders_of_one_name_both_publish_and_the_last_one_stays) {
    NewTemplate slow = home_.store().begin("one").value();
    ASSERT_TRUE(home_.fill(slow, "one", "slow"));
    ASSERT_TRUE(home_.make("one", "quick"));
    EXPECT_EQ(home_.mark_of("one").value(), "quick");
    ASSERT_TRUE(slow.publish());
    EXPECT_EQ(home_.mark_of("one").value(), "slow");
}

TEST_F(TemplateStoreTest, moved_builder_cleans_up_once) {
    {
        NewTemplate made = home_.store().begin("one").value();
        const NewTemplate moved = std::move(made);
        ASSERT_TRUE(home_.fill(moved, "one", "first"));
        EXPECT_EQ(home_.entries().size(), 1U);
    }
    EXPECT_TRUE(home_.entries().empty());
}

TEST_F(TemplateStoreTest, names_that_are_none_are_refused_everywhere) {
    for (const std::string name : {"", "..", "a/b", "../../etc", ".new-abcdef", "-", "a\nb"}) {
        EXPECT_FALSE(home_.store().begin(name)) << name;
        EXPECT_FALSE(home_.store().open(name, home_.cache())) << name;
        EXPECT_FALSE(home_.store().remove(name)) << name;
        EXPECT_FALSE(home_.store().verify(name, home_.cache(), StoreHome::installation())) << name;
    }
}

TEST_F(TemplateStoreTest, missing_template_says_how_to_make_it) {
    expect_refused("none", "anchorhold template create none");
}

TEST_F(TemplateStoreTest, memory_of_another_size_is_refused) {
    ASSERT_TRUE(home_.make("one", "first"));
    for (const uint64_t bytes : {kTemplateMemory - 4096, kTemplateMemory + 4096, uint64_t{0}}) {
        std::filesystem::resize_file(home_.file("one", template_file::kMemory), bytes);
        expect_refused("one", "has " + std::to_string(bytes) + " bytes, not " +
                                  std::to_string(kTemplateMemory) +
                                  "; the template is damaged, create it again");
    }
}

TEST_F(TemplateStoreTest, disk_of_another_size_is_refused) {
    ASSERT_TRUE(home_.make("one", "first"));
    std::filesystem::resize_file(home_.file("one", template_file::kDisk), kTemplateDisk - 512);
    expect_refused("one", "disk.raw: has");
}

TEST_F(TemplateStoreTest, each_missing_file_is_named) {
    for (const char* file : {template_file::kState, template_file::kMemory, template_file::kDisk}) {
        ASSERT_TRUE(home_.make("one", "first"));
        std::filesystem::remove(home_.file("one", file));
        expect_refused("one", file);
    }
}

TEST_F(TemplateStoreTest, symbolic_link_in_place_of_a_file_is_refused) {
    for (const char* file : {template_file::kState, template_file::kMemory, template_file::kDisk}) {
        ASSERT_TRUE(home_.make("one", "first"));
        const std::string path = home_.file("one", file);
        std::filesystem::rename(path, path + ".real");
        std::filesystem::create_symlink(path + ".real", path);
        expect_refused("one", file);
    }
}

TEST_F(TemplateStoreTest, image_of_other_bytes_is_refused) {
    ASSERT_TRUE(home_.make("one", "first"));
    std::string bytes = erofs_image();
    bytes.back() = 'x';
    ASSERT_TRUE(sys::write_file(home_.image(), bytes));
    expect_refused("one", "is not the one it was made from; create the template again");
}

TEST_F(TemplateStoreTest, image_replaced_by_another_file_of_its_name_is_refused) {
    ASSERT_TRUE(home_.make("one", "first"));
    std::string bytes = erofs_image();
    bytes.back() = 'x';
    ASSERT_TRUE(sys::write_file(home_.image() + ".new", bytes));
    std::filesystem::rename(home_.image() + ".new", home_.image());
    expect_refused("one", "is not the one it was made from");
}

TEST_F(TemplateStoreTest, image_that_has_gone_is_named) {
    ASSERT_TRUE(home_.make("one", "first"));
    std::filesystem::remove(home_.image());
    expect_refused("one", home_.image());
}

TEST_F(TemplateStoreTest, image_that_was_only_touched_is_accepted) {
    ASSERT_TRUE(home_.make("one", "first"));
    ASSERT_TRUE(sys::write_file(home_.image(), erofs_image()));
    EXPECT_EQ(home_.mark_of("one").value(), "first");
}

TEST_F(TemplateStoreTest, folder_under_another_templates_name_is_refused_and_not_listed) {
    ASSERT_TRUE(home_.make("one", "first"));
    std::filesystem::rename(home_.templates() + "/one", home_.templates() + "/two");
    expect_refused("two", "its manifest is that of 'one'");
    EXPECT_TRUE(home_.store().list().value().empty());
}

TEST_F(TemplateStoreTest, verify_finds_a_bit_anywhere_in_memory) {
    for (const uint64_t offset : {uint64_t{0}, uint64_t{4}, uint64_t{65535}, uint64_t{65536},
                                  kTemplateMemory / 2, kTemplateMemory - 1}) {
        ASSERT_TRUE(home_.make("one", "first"));
        flip(home_.file("one", template_file::kMemory), offset);
        expect_unverified("one", "template one: memory");
    }
}

TEST_F(TemplateStoreTest, verify_finds_a_bit_anywhere_on_the_disk) {
    for (const uint64_t offset : {uint64_t{0}, uint64_t{65536}, kTemplateDisk - 1}) {
        ASSERT_TRUE(home_.make("one", "first"));
        flip(home_.file("one", template_file::kDisk), offset);
        expect_unverified("one", "template one: disk");
    }
}

TEST_F(TemplateStoreTest, verify_finds_a_bit_in_state_and_digests) {
    for (const char* file : {template_file::kState, template_file::kDigests}) {
        for (const uint64_t offset : {0U, 9U, 20U, 40U, 48U}) {
            ASSERT_TRUE(home_.make("one", "first"));
            flip(home_.file("one", file), offset);
            expect_unverified("one", file == template_file::kState ? "template one: state"
                                                                   : "template one: digests");
        }
    }
}

TEST_F(TemplateStoreTest, removed_template_leaves_nothing) {
    ASSERT_TRUE(home_.make("one", "first"));
    ASSERT_TRUE(home_.make("two", "second"));
    ASSERT_TRUE(home_.store().remove("one"));
    EXPECT_EQ(home_.entries(), Names{"two"});
    EXPECT_FALSE(home_.store().remove("one"));
}

TEST_F(TemplateStoreTest, something_that_is_no_template_gives_way_to_one) {
    ASSERT_TRUE(home_.make("two", "second"));
    ASSERT_TRUE(sys::write_file(home_.templates() + "/one", "a file"));
    const Status made = home_.make("one", "first");
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_EQ(home_.mark_of("one").value(), "first");
    EXPECT_EQ(home_.entries(), (Names{"one", "two"}));
}

TEST_F(TemplateStoreTest, folder_that_others_may_enter_is_refused) {
    std::filesystem::create_directories(home_.templates());
    std::filesystem::permissions(home_.templates(), std::filesystem::perms(0755));
    EXPECT_FALSE(home_.make("one", "first"));
}

}  // namespace
}  // namespace anchorhold::supervisor
