// The three files, as images have them.
#include "guest-init/egress/resolver_files.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/sys.h"

namespace anchorhold::guest_init {
namespace {

class ResolverFilesTest : public testing::Test {
  protected:
    void SetUp() override {
        char name[] = "/tmp/resolver-files-XXXXXX";
        etc = ::mkdtemp(name);
    }
    void TearDown() override { std::filesystem::remove_all(etc); }
    void write(const std::string& name, const std::string& text) {
        ASSERT_TRUE(sys::write_file(etc + "/" + name, text));
    }
    std::string read(const std::string& name) { return sys::read_file(etc + "/" + name).value(); }

    std::string etc;
};

TEST_F(ResolverFilesTest, empty_folder_gets_what_resolvers_need) {
    ASSERT_TRUE(point_resolver_at_stub(etc));
    EXPECT_EQ(read("resolv.conf"), "nameserver 127.0.0.1\n");
    EXPECT_NE(read("hosts").find("localhost"), std::string::npos);
    EXPECT_FALSE(std::filesystem::exists(etc + "/nsswitch.conf"));
}

TEST_F(ResolverFilesTest, what_is_right_is_not_written_again) {
    write("resolv.conf", "nameserver 127.0.0.1\n");
    write("hosts", "127.0.0.1 localhost mine\n");
    const auto before = std::filesystem::last_write_time(etc + "/resolv.conf");
    ASSERT_TRUE(point_resolver_at_stub(etc));
    EXPECT_EQ(std::filesystem::last_write_time(etc + "/resolv.conf"), before);
    EXPECT_EQ(read("hosts"), "127.0.0.1 localhost mine\n");
}

TEST_F(ResolverFilesTest, link_is_replaced_and_its_target_left_alone) {
    write("elsewhere", "nameserver 192.0.2.1\n");
    ASSERT_EQ(::symlink("elsewhere", (etc + "/resolv.conf").c_str()), 0);
    ASSERT_TRUE(point_resolver_at_stub(etc));
    EXPECT_EQ(read("resolv.conf"), "nameserver 127.0.0.1\n");
    EXPECT_EQ(read("elsewhere"), "nameserver 192.0.2.1\n");
}

TEST_F(ResolverFilesTest, hosts_line_without_dns_gets_it) {
    write("nsswitch.conf", "passwd: files\nhosts: files mdns4 libdns\nnetworks: files\n");
    ASSERT_TRUE(point_resolver_at_stub(etc));
    EXPECT_EQ(read("nsswitch.conf"),
              "passwd: files\nhosts: files mdns4 libdns dns\nnetworks: files\n");
    ASSERT_TRUE(point_resolver_at_stub(etc));
    EXPECT_EQ(read("nsswitch.conf"),
              "passwd: files\nhosts: files mdns4 libdns dns\nnetworks: files\n");
    write("nsswitch.conf", "hosts:\tfiles dns");
    ASSERT_TRUE(point_resolver_at_stub(etc));
    EXPECT_EQ(read("nsswitch.conf"), "hosts:\tfiles dns");
}

}  // namespace
}  // namespace anchorhold::guest_init
