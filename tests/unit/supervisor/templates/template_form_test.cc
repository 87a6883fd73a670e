// A template compressed and expanded: the same one, in one step, or none.
#include "supervisor/templates/template_form.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <map>

#include "base/clock.h"
#include "crash_points.h"
#include "made_template.h"

namespace anchorhold::supervisor {
namespace {

class TemplateForm : public testing::Test {
  protected:
    TemplateForm() { EXPECT_TRUE(home_.make("one", "mark")); }

    Result<TemplateManifest> store(MemoryForm form,
                                   const Installation& installation = StoreHome::installation()) {
        return store_as(home_.store(), installation, "one", home_.cache(), form);
    }
    [[nodiscard]] Status verified() const {
        return home_.store().verify("one", home_.cache(), StoreHome::installation());
    }
    [[nodiscard]] MemoryForm form() const {
        return home_.store().open("one", home_.cache()).value().files.form;
    }
    [[nodiscard]] std::set<std::string> files() const {
        std::set<std::string> names;
        for (const auto& entry : std::filesystem::directory_iterator(home_.templates() + "/one")) {
            names.insert(entry.path().filename());
        }
        return names;
    }
    [[nodiscard]] ino_t inode(const char* which) const {
        struct stat status {};
        EXPECT_EQ(::stat(home_.file("one", which).c_str(), &status), 0);
        return status.st_ino;
    }
    void flip(const char* which, off_t at) const {
        const OwnFd file = sys::open(home_.file("one", which), O_RDWR).value();
        char byte = 0;
        ASSERT_EQ(::pread(file.get(), &byte, 1, at), 1);
        byte = static_cast<char>(byte ^ 1);
        ASSERT_EQ(::pwrite(file.get(), &byte, 1, at), 1);
    }

    // Whoever begins next cleans up; a converter that was just being started holds its parent's
    // lock until it has died too. A deadline for broken code, never a wait.
    [[nodiscard]] bool is_swept() const {
        const TimePoint deadline = steady_clock().now() + std::chrono::seconds(30);
        while (home_.entries() != std::set<std::string>{"one"}) {
            if (steady_clock().now() > deadline || !home_.store().begin("next")) {
                return false;
            }
        }
        return true;
    }

    StoreHome home_;
    const std::set<std::string> sparse_files_ = {"manifest.json", "state", "memory.raw",
                                                 "memory.digests", "disk.raw"};
    const std::set<std::string> compressed_files_ = {"manifest.json", "state", "memory.zst",
                                                     "memory.digests", "disk.raw"};
};

TEST_F(TemplateForm, compressed_one_is_the_same_template_in_less) {
    const ino_t state = inode(template_file::kState);
    const auto manifest = store(MemoryForm::kCompressed);
    ASSERT_TRUE(manifest) << manifest.error().message;
    EXPECT_EQ(manifest->memory_form, MemoryForm::kCompressed);
    EXPECT_GT(manifest->memory_file, 0U);
    EXPECT_LT(manifest->memory_file, uint64_t{64} << 10);
    EXPECT_EQ(files(), compressed_files_);
    EXPECT_EQ(inode(template_file::kState), state) << "shared, not copied";
    EXPECT_EQ(form(), MemoryForm::kCompressed);
    const Status whole = verified();
    EXPECT_TRUE(whole) << whole.error().message;
    EXPECT_EQ(home_.entries(), std::set<std::string>{"one"});
}

TEST_F(TemplateForm, expanded_again_it_is_as_it_was) {
    ASSERT_TRUE(store(MemoryForm::kCompressed));
    ASSERT_TRUE(store(MemoryForm::kSparse));
    EXPECT_EQ(files(), sparse_files_);
    EXPECT_EQ(home_.mark_of("one").value(), "mark");
    EXPECT_EQ(home_.entries(), std::set<std::string>{"one"});
}

TEST_F(TemplateForm, form_that_it_has_already_changes_nothing) {
    const ino_t manifest = inode(template_file::kManifest);
    ASSERT_TRUE(store(MemoryForm::kSparse));
    EXPECT_EQ(inode(template_file::kManifest), manifest);
}

TEST_F(TemplateForm, memory_that_is_damaged_is_not_converted) {
    flip(template_file::kMemory, 1);
    const auto refused = store(MemoryForm::kCompressed);
    ASSERT_FALSE(refused);
    EXPECT_TRUE(refused.error().message.starts_with("template one: memory: "))
        << refused.error().message;
    EXPECT_EQ(files(), sparse_files_) << "it is still what it was";
    EXPECT_EQ(home_.entries(), std::set<std::string>{"one"});
}

TEST_F(TemplateForm, damage_to_any_part_of_a_compressed_file_is_found) {
    ASSERT_TRUE(store(MemoryForm::kCompressed));
    const auto bytes = static_cast<off_t>(
        std::filesystem::file_size(home_.file("one", template_file::kCompressed)));
    for (const off_t at : {off_t{0}, off_t{40}, bytes / 2, bytes - 1}) {
        flip(template_file::kCompressed, at);
        const Status found = verified();
        ASSERT_FALSE(found) << at;
        EXPECT_TRUE(found.error().message.starts_with("template one: memory: "))
            << found.error().message;
        EXPECT_FALSE(store(MemoryForm::kSparse)) << at;
        EXPECT_EQ(files(), compressed_files_) << at;
        flip(template_file::kCompressed, at);
    }
    EXPECT_TRUE(verified());
}

TEST_F(TemplateForm, missing_pager_leaves_the_template_as_it_is) {
    Installation other;
    other.library = "/nowhere";
    const auto refused = store(MemoryForm::kCompressed, other);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("/nowhere/anchorhold-pager"), std::string::npos);
    EXPECT_EQ(home_.mark_of("one").value(), "mark");
    EXPECT_EQ(home_.entries(), std::set<std::string>{"one"});
}

TEST_F(TemplateForm, missing_template_is_named) {
    const auto refused = store_as(home_.store(), StoreHome::installation(), "two", home_.cache(),
                                  MemoryForm::kCompressed);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("template 'two' does not exist"), std::string::npos);
}

TEST_F(TemplateForm, converter_that_dies_leaves_either_form_at_every_system_call) {
    std::map<MemoryForm, size_t> seen;
    for (size_t call = 0;; ++call) {
        const Died died = run_until_call(call, [&] { (void)store(MemoryForm::kCompressed); });
        const Status whole = verified();
        ASSERT_TRUE(whole) << "killed before call " << call << ": " << whole.error().message;
        ++seen[form()];
        EXPECT_EQ(files(), form() == MemoryForm::kSparse ? sparse_files_ : compressed_files_);
        ASSERT_TRUE(store(MemoryForm::kSparse));
        ASSERT_TRUE(is_swept()) << call;
        if (died == Died::kAfterwards) {
            break;
        }
    }
    EXPECT_GT(seen[MemoryForm::kSparse], 50U);
    EXPECT_GT(seen[MemoryForm::kCompressed], 0U);
}

}  // namespace
}  // namespace anchorhold::supervisor
