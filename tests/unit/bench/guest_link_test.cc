#include "bench/guest_link.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <thread>

#include "base/sys.h"

namespace anchorhold::bench {
namespace {

using testing::HasSubstr;

OwnFd unix_socket(const std::string& path, bool listening) {
    OwnFd made(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un where{};
    where.sun_family = AF_UNIX;
    std::memcpy(where.sun_path, path.data(), path.size());
    const auto* address = reinterpret_cast<const sockaddr*>(&where);
    const int done = listening ? ::bind(made.get(), address, sizeof where)
                               : ::connect(made.get(), address, sizeof where);
    if (done != 0 || (listening && ::listen(made.get(), 1) != 0)) {
        made.reset();
    }
    return made;
}

class UnixLinkTest : public testing::Test {
  protected:
    UnixLinkTest() {
        std::string path = testing::TempDir() + "anchorhold-link.XXXXXX";
        folder_ = ::mkdtemp(path.data());
        link_ = make_unix_link(folder_ + "/v");
    }
    ~UnixLinkTest() override { std::filesystem::remove_all(folder_); }

    // Plays the VMM: accepts one connection, reads the request's line, sends `answer`.
    std::thread serve_one(OwnFd& vmm, std::string answer, std::string& request) {
        return std::thread([&vmm, answer = std::move(answer), &request] {
            const OwnFd stream(::accept(vmm.get(), nullptr, nullptr));
            std::array<std::byte, 1> byte{};
            while (request.empty() || request.back() != '\n') {
                const auto count = sys::read_some(stream.get(), byte);
                if (!count || count->value_or(0) == 0) {
                    break;
                }
                request.push_back(static_cast<char>(byte[0]));
            }
            EXPECT_TRUE(sys::write_all(stream.get(), answer));
        });
    }

    std::string folder_;
    std::unique_ptr<GuestLink> link_;
};

TEST_F(UnixLinkTest, connect_asks_for_the_port_and_leaves_the_guests_bytes_unread) {
    OwnFd vmm = unix_socket(folder_ + "/v", true);
    ASSERT_TRUE(vmm.valid());
    std::string request;
    std::thread server = serve_one(vmm, "OK 1073741824\nhello", request);
    const auto stream = link_->connect(1025);
    server.join();
    ASSERT_TRUE(stream) << stream.error().message;
    EXPECT_EQ(request, "CONNECT 1025\n");
    std::array<std::byte, 16> buffer{};
    const auto count = sys::read_some(stream->get(), buffer);
    ASSERT_TRUE(count && count->has_value());
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(buffer.data()), **count), "hello");
}

TEST_F(UnixLinkTest, connect_refused_by_the_vmm_is_an_error) {
    for (const std::string answer :
         {"", "NO\n",
          "a line that is much too long to be an answer of any VMM to anybody at all\n"}) {
        std::filesystem::remove(folder_ + "/v");
        OwnFd vmm = unix_socket(folder_ + "/v", true);
        ASSERT_TRUE(vmm.valid());
        std::string request;
        std::thread server = serve_one(vmm, answer, request);
        EXPECT_FALSE(link_->connect(1025)) << answer;
        server.join();
    }
}

TEST_F(UnixLinkTest, connect_without_a_vmm_names_the_socket) {
    const auto stream = link_->connect(1025);
    ASSERT_FALSE(stream);
    EXPECT_THAT(stream.error().message, HasSubstr(folder_ + "/v"));
}

TEST_F(UnixLinkTest, listener_is_where_the_vmm_connects_for_the_guest) {
    const auto listener = link_->listen(1024);
    ASSERT_TRUE(listener) << listener.error().message;
    const OwnFd guest = unix_socket(folder_ + "/v_1024", false);
    ASSERT_TRUE(guest.valid());
    const OwnFd accepted(::accept(listener->get(), nullptr, nullptr));
    ASSERT_TRUE(accepted.valid());
    EXPECT_TRUE(link_->check_peer(accepted.get()));
}

TEST_F(UnixLinkTest, listen_again_replaces_what_a_former_start_left) {
    const auto first = link_->listen(1024);
    OwnFd vmm = unix_socket(folder_ + "/v", true);
    ASSERT_TRUE(first && vmm.valid());
    EXPECT_TRUE(link_->listen(1024));
    EXPECT_FALSE(std::filesystem::exists(folder_ + "/v"));
}

TEST_F(UnixLinkTest, sockets_are_gone_with_the_link) {
    ASSERT_TRUE(link_->listen(1024));
    link_.reset();
    EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

TEST_F(UnixLinkTest, path_too_long_for_a_socket_is_refused) {
    const auto listener = make_unix_link(folder_ + "/" + std::string(120, 'x'))->listen(1024);
    ASSERT_FALSE(listener);
    EXPECT_THAT(listener.error().message, HasSubstr("TMPDIR"));
}

}  // namespace
}  // namespace anchorhold::bench
