// A service with real sandboxes, for one test.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "vm/anchorhold.h"

namespace anchorhold::vm_test {

// A service of this test, with a state of its own; everything of it is gone at the end.
class ServiceTest : public testing::Test {
  protected:
    void SetUp() override {
        static int number = 0;
        folder_ = private_folder() + "/service-" + std::to_string(number++);
        std::filesystem::create_directory(folder_);
        std::filesystem::permissions(folder_, std::filesystem::perms::owner_all);
        serve();
    }
    void TearDown() override {
        if (serve_ != nullptr) {
            stop();
        }
        std::filesystem::remove_all(folder_);
    }

    void serve() {
        serve_ = std::make_unique<Running>(Invocation{.arguments = {"serve", "--on-exit", "stop"},
                                                      .input = {},
                                                      .environment = environment()});
        ASSERT_TRUE(serve_->wait_for("serving at")) << serve_->output();
    }
    void stop() {
        serve_->signal(SIGTERM);
        EXPECT_EQ(serve_->wait(), 0) << serve_->output();
        serve_.reset();
    }
    // The supervisor dies where it stands; what it held lives on.
    void kill_and_serve_again() {
        serve_->signal(SIGKILL);
        EXPECT_TRUE(serve_->wait_for_process().has_value());
        serve_.reset();
        serve();
    }

    Completed call(std::vector<std::string> arguments) {
        return anchorhold(
            {.arguments = std::move(arguments), .input = {}, .environment = environment()});
    }
    // What must succeed; its output without the last line's end.
    std::string out(std::vector<std::string> arguments) {
        const Completed done = call(std::move(arguments));
        EXPECT_EQ(done.status, 0) << done.err << done.out;
        return done.out.substr(0, done.out.find_last_not_of('\n') + 1);
    }
    std::string in(const std::string& sandbox, const std::string& line) {
        return out({"exec", sandbox, "--", "sh", "-c", line});
    }
    void create(const std::string& name) {
        EXPECT_EQ(out({"create", name, "--image", "tiny", "--memory", "128M"}), name);
    }
    void make_template() {
        out({"template", "create", "t", "--quiet", "--memory", "128M", "--warm", "printf x"});
    }
    // It fills in the background: each look is a deadline's worth of one.
    void wait_for_pool(const std::string& filled) {
        std::string pools;
        for (int looks = 0; looks < 200 && pools.find(filled) == std::string::npos; ++looks) {
            pools = out({"pool", "ls"});
        }
        EXPECT_NE(pools.find(filled), std::string::npos) << pools;
    }
    [[nodiscard]] std::vector<std::string> environment() const {
        return {"XDG_STATE_HOME=" + folder_, "XDG_RUNTIME_DIR=" + folder_};
    }
    [[nodiscard]] std::string state() const { return folder_ + "/anchorhold"; }

    std::string folder_;
    std::unique_ptr<Running> serve_;
};

}  // namespace anchorhold::vm_test
