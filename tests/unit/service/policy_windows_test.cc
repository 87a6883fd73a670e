// Windows of named sandboxes: what is kept on disk, and what a second supervisor makes of it.
#include "supervisor/service/policy_windows.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <filesystem>

#include "base/sys.h"
#include "proto/ports.h"
#include "supervisor/service/policy_window.h"
#include "unit/supervisor/erofs_image.h"
#include "unit/supervisor/run_until.h"
#include "unit/supervisor/temporary_folder.h"

namespace anchorhold::service {
namespace {

constexpr std::string_view kSecret = "q7Zp2mVx9LrTbK4sWc8NdYhE3uJfGa6o";

class PolicyWindowsTest : public testing::Test {
  protected:
    PolicyWindowsTest() {
        ::setenv("XDG_STATE_HOME", (folder.path() + "/state").c_str(), 1);
        ::setenv("XDG_CONFIG_HOME", (folder.path() + "/config").c_str(), 1);
        ::setenv("XDG_CACHE_HOME", (folder.path() + "/cache").c_str(), 1);
        std::filesystem::create_directories(folder.path() + "/state");
        std::filesystem::create_directories(folder.path() + "/amber");
        std::filesystem::create_directories(folder.path() + "/amber-1");
        private_file("secret", std::string(kSecret));
        private_file("config/anchorhold/secrets.yaml",
                     "secrets:\n  key:\n    from: { file: " + folder.path() +
                         "/secret }\n    hosts: [api.example.com]\n    policies: [one]\n");
        policy =
            folder.write("one.yaml",
                         "version: 1\nkind: grant\nname: one\ndescription: One\nallow:\n"
                         "  - host: api.example.com\n    methods: [GET]\n    description: All\n"
                         "credentials:\n  - secret: key\n    host: api.example.com\n"
                         "    kind: header\n    header: x-api-key\n    variable: API_KEY\n");
        installation.library = FAKE_WINDOW;
        installation.kernel = folder.write("vmlinux", "kernel");
        installation.initrd = folder.write("init.cpio", "init");
        installation.images = folder.path() + "/images";
        folder.write("images/tiny.erofs", supervisor::erofs_image());
        windows = PolicyWindows::create(*loop, installation);
    }

    void private_file(const std::string& name, const std::string& text) {
        ASSERT_EQ(::chmod(folder.write(name, text).c_str(), 0600), 0);
    }
    [[nodiscard]] WindowOrder order(const std::string& name) const {
        WindowOrder result;
        result.sandbox = name;
        result.folder = folder.path() + "/" + name;
        result.image = "tiny";
        result.policies = {policy};
        return result;
    }
    static std::string variable_of(const std::optional<proto::ControlRequest>& set_up) {
        return set_up && set_up->set_up().environment_size() == 1 ? set_up->set_up().environment(0)
                                                                  : "none";
    }
    void close(std::unique_ptr<SandboxWindow> window) {
        bool done = false;
        window->close("", [&] { done = true; });
        ASSERT_TRUE(supervisor::run_until(*loop, [&] { return done; }));
    }
    std::string log_of(const std::string& name) {
        return sys::read_file(folder.path() + "/state/anchorhold/audit/" + name + "/log.jsonl")
            .value_or("");
    }

    supervisor::TemporaryFolder folder;
    std::unique_ptr<EventLoop> loop = EventLoop::create().value();
    supervisor::Installation installation;
    std::string policy;
    std::unique_ptr<PolicyWindows> windows;
};

TEST_F(PolicyWindowsTest, folder_has_the_policy_and_no_secret) {
    auto window = windows->open(order("amber"));
    ASSERT_TRUE(window) << window.error().message;
    const auto parts = (*window)->parts();
    ASSERT_TRUE(parts) << parts.error().message;
    EXPECT_EQ(parts->channels.size(), 2U);
    EXPECT_TRUE(variable_of(parts->set_up).starts_with("API_KEY="));
    size_t files = 0;
    for (const auto& file : std::filesystem::directory_iterator(folder.path() + "/amber")) {
        ++files;
        EXPECT_EQ(sys::read_file(file.path()).value().find(kSecret), std::string::npos);
    }
    EXPECT_EQ(files, 2U);
    EXPECT_EQ((*window)->descriptors().size(), 2U);
    close(std::move(*window));
}

TEST_F(PolicyWindowsTest, next_supervisor_opens_it_on_the_kept_channels) {
    std::map<std::string, OwnFd> kept;
    std::string placeholder;
    std::vector<supervisor::GuestChannel> vmm;
    {
        auto window = windows->open(order("amber")).value();
        auto parts = window->parts().value();
        placeholder = variable_of(parts.set_up);
        vmm = std::move(parts.channels);
        for (const KeptDescriptor& each : window->descriptors()) {
            kept[each.role] = sys::dup_cloexec(each.fd).value();
        }
    }
    // It died without a word; its policy's file changed meanwhile, which is not the sandbox's.
    std::filesystem::remove(policy);
    windows = PolicyWindows::create(*loop, installation);
    WindowOrder again = order("amber");
    again.adoptions = 1;
    auto adopted = windows->adopt(again, kept);
    ASSERT_TRUE(adopted) << adopted.error().message;
    EXPECT_TRUE(kept.empty());
    EXPECT_EQ((*adopted)->descriptors().size(), 2U);
    const auto number = (*adopted)->command_begins({{"true"}, "", ""});
    ASSERT_TRUE(number) << number.error().message;
    EXPECT_GT(*number, uint64_t{1} << 32) << "numbers begin anew";
    (*adopted)->command_ended(*number, R"({"status":3})", std::chrono::seconds(1));
    close(std::move(*adopted));
    const std::string log = log_of("amber");
    EXPECT_EQ(log.find("\"image_digest\""), log.rfind("\"image_digest\"")) << "started twice";
    EXPECT_EQ(log.find(kSecret), std::string::npos);

    // A guest that is restored from its snapshot gets the placeholders that it has.
    auto resumed = windows->open(order("amber"));
    ASSERT_TRUE(resumed) << resumed.error().message;
    EXPECT_EQ(variable_of((*resumed)->parts().value().set_up), placeholder);
    close(std::move(*resumed));
}

TEST_F(PolicyWindowsTest, fork_has_its_parents_policy_and_placeholders) {
    auto parent = windows->open(order("amber")).value();
    const std::string placeholder = variable_of(parent->parts().value().set_up);
    WindowOrder order_of_child = order("amber-1");
    order_of_child.parent = "amber";
    order_of_child.parent_folder = folder.path() + "/amber";
    auto child = windows->open(order_of_child);
    ASSERT_TRUE(child) << child.error().message;
    EXPECT_EQ(variable_of((*child)->parts().value().set_up), placeholder);
    EXPECT_TRUE(std::filesystem::exists(folder.path() + "/amber-1/policy.pb"));
    close(std::move(*child));
    close(std::move(parent));
}

TEST_F(PolicyWindowsTest, parked_guests_channels_are_taken) {
    auto window = windows->open(order("amber")).value();
    EXPECT_FALSE(window->take_channels({}));
    std::vector<supervisor::GuestChannel> channels;
    for (const uint32_t port : {proto::kEgressPort, proto::kNoticePort}) {
        auto [ours, theirs] = sys::socket_pair(SOCK_SEQPACKET | SOCK_NONBLOCK).value();
        channels.push_back({port, std::move(ours)});
    }
    const auto set_up = window->take_channels(std::move(channels));
    ASSERT_TRUE(set_up) << set_up.error().message;
    EXPECT_TRUE(variable_of(*set_up).starts_with("API_KEY="));
    close(std::move(window));
}

TEST_F(PolicyWindowsTest, policy_that_is_not_there_is_a_bad_request) {
    WindowOrder missing = order("amber");
    missing.policies = {folder.path() + "/none.yaml"};
    const auto window = windows->open(missing);
    ASSERT_FALSE(window);
    EXPECT_EQ(window.error().code, EINVAL);
}

}  // namespace
}  // namespace anchorhold::service
