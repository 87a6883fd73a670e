#include "bench/foreign_vmm.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "base/sys.h"

namespace anchorhold::bench {
namespace {

class TscOffsetTest : public testing::Test {
  protected:
    TscOffsetTest() {
        std::string path = testing::TempDir() + "anchorhold-debugfs.XXXXXX";
        root_ = ::mkdtemp(path.data());
    }
    ~TscOffsetTest() override { std::filesystem::remove_all(root_); }

    void put(const std::string& vm, const std::string& text) {
        std::filesystem::create_directories(root_ + "/kvm/" + vm + "/vcpu0");
        ASSERT_TRUE(sys::write_file(root_ + "/kvm/" + vm + "/vcpu0/tsc-offset", text));
    }

    std::string root_;
};

TEST_F(TscOffsetTest, offset_of_the_process_is_found_among_others) {
    put("12-10", "1\n");
    put("123-11", "-5000000000\n");
    put("1234-11", "2\n");
    const auto offset = kvm_tsc_offset(root_, 123);
    ASSERT_TRUE(offset.has_value());
    EXPECT_EQ(static_cast<int64_t>(*offset), -5'000'000'000);
}

TEST_F(TscOffsetTest, process_without_a_vm_has_none) {
    put("12-10", "1\n");
    EXPECT_FALSE(kvm_tsc_offset(root_, 13).has_value());
}

TEST_F(TscOffsetTest, debugfs_that_is_not_mounted_tells_nothing) {
    EXPECT_FALSE(kvm_tsc_offset(root_, 12).has_value());
}

// /bin/true plays a VMM that ends before any guest could be ready.
class ForeignVmmTest : public testing::Test {
  protected:
    ForeignVmmTest() {
        std::string path = testing::TempDir() + "anchorhold-foreign.XXXXXX";
        folder_ = ::mkdtemp(path.data());
        loop_ = std::move(*EventLoop::create());
    }
    ~ForeignVmmTest() override { std::filesystem::remove_all(folder_); }

    ForeignVmm vmm(std::vector<std::string> command_line) {
        ForeignVmmSettings settings;
        settings.description = {.name = "peer",
                                .version = "1",
                                .command_line = std::move(command_line),
                                .configuration = "{}\n"};
        settings.configuration_path = folder_ + "/peer.json";
        settings.link = make_unix_link(folder_ + "/v");
        return ForeignVmm(*loop_, std::move(settings));
    }

    std::string end_of(ForeignVmm& variant, bool destroy) {
        std::optional<std::string> end;
        EXPECT_TRUE(variant.start(
            {[] { ADD_FAILURE() << "ready"; }, [&end](const std::string& error) { end = error; }}));
        if (destroy) {
            variant.destroy();
        }
        while (!end) {
            EXPECT_TRUE(loop_->run_once(std::chrono::seconds(30)));
        }
        return *end;
    }

    std::string folder_;
    std::unique_ptr<EventLoop> loop_;
};

TEST_F(ForeignVmmTest, vmm_that_ends_by_itself_is_an_error_with_its_last_words) {
    ForeignVmm variant = vmm({"/bin/sh", "-c", "echo first; echo no such device >&2; exit 3"});
    EXPECT_EQ(end_of(variant, false), "peer ended unexpectedly with exit status 3: no such device");
    EXPECT_EQ(end_of(variant, false), "peer ended unexpectedly with exit status 3: no such device")
        << "again";
}

TEST_F(ForeignVmmTest, configuration_is_written_before_the_vmm_starts) {
    ForeignVmm variant = vmm({"/bin/sh", "-c", "cat " + folder_ + "/peer.json; exit 1"});
    EXPECT_EQ(end_of(variant, false), "peer ended unexpectedly with exit status 1: {}");
}

TEST_F(ForeignVmmTest, vmm_destroyed_ends_without_an_error) {
    ForeignVmm variant = vmm({"/bin/sleep", "600"});
    EXPECT_EQ(end_of(variant, true), "");
}

TEST_F(ForeignVmmTest, program_that_cannot_run_is_named) {
    ForeignVmm variant = vmm({"/nonexistent/vmm"});
    const Status started =
        variant.start({[] {}, [](const std::string&) { ADD_FAILURE() << "ended"; }});
    ASSERT_FALSE(started);
    EXPECT_NE(started.error().message.find("/nonexistent/vmm"), std::string::npos);
}

}  // namespace
}  // namespace anchorhold::bench
