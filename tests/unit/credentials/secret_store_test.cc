// Secrets in locked memory: found by name, zeroed when forgotten, out of images and children.
#include "proxy/credentials/secret_store.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>

#include "proxy/credentials/secret_string.h"

namespace anchorhold::proxy {
namespace {

// VmFlags of the mapping that holds `address` (proc(5), smaps).
std::string flags_of(const void* address) {
    std::ifstream maps("/proc/self/smaps");
    std::string line;
    bool inside = false;
    while (std::getline(maps, line)) {
        uintptr_t begin = 0;
        uintptr_t end = 0;
        char dash = 0;
        std::istringstream words(line);
        if (words >> std::hex >> begin >> dash >> end && dash == '-') {
            const auto wanted = reinterpret_cast<uintptr_t>(address);
            inside = begin <= wanted && wanted < end;
        } else if (inside && line.starts_with("VmFlags:")) {
            return line + " ";
        }
    }
    return "";
}

TEST(SecretStore, added_secret_found_by_name) {
    SecretStore store;
    ASSERT_TRUE(store.add("token", "value-1", "placeholder-1"));
    ASSERT_TRUE(store.add("other", std::string(10000, 'x'), ""));
    SecretStore moved = std::move(store);
    ASSERT_NE(moved.find("token"), nullptr);
    EXPECT_EQ(moved.find("token")->value, "value-1");
    EXPECT_EQ(moved.find("token")->placeholder, "placeholder-1");
    EXPECT_EQ(moved.find("other")->value.size(), 10000U);
    EXPECT_EQ(moved.find("none"), nullptr);
    EXPECT_FALSE(moved.add("token", "again", ""));
}

TEST(SecretStore, removed_secret_zeroed_and_others_kept) {
    SecretStore store;
    ASSERT_TRUE(store.add("a", "value-a", ""));
    ASSERT_TRUE(store.add("b", "value-b", ""));
    const std::string_view gone = store.find("a")->value;
    store.remove("a");
    EXPECT_EQ(std::string(gone), std::string(7, '\0'));
    EXPECT_EQ(store.find("a"), nullptr);
    EXPECT_EQ(store.find("b")->value, "value-b");
    store.remove("b");
    store.remove("b");
    EXPECT_TRUE(store.add("a", "again", ""));
    EXPECT_EQ(store.find("a")->value, "again");
}

TEST(SecretStore, memory_locked_and_left_out_of_images) {
    SecretStore store;
    ASSERT_TRUE(store.add("a", "value-a", ""));
    const std::string flags = flags_of(store.find("a")->value.data());
    for (const std::string_view flag : {" lo ", " dd ", " wf "}) {
        EXPECT_NE(flags.find(flag), std::string::npos) << flag << " in" << flags;
    }
}

TEST(SecretStore, forked_child_finds_zeros) {
    SecretStore store;
    ASSERT_TRUE(store.add("a", "value-a", ""));
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        ::_exit(store.find("a")->value == std::string(7, '\0') ? 0 : 1);
    }
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
}

TEST(SecretStoreDeathTest, byte_before_the_pages_faults) {
    auto memory = LockedMemory::allocate(100);
    ASSERT_TRUE(memory);
    EXPECT_GE(memory->bytes().size(), 100U);
    volatile const char* const before = memory->bytes().data() - 1;
    volatile const char* const after = memory->bytes().data() + memory->bytes().size();
    EXPECT_DEATH((void)*before, "");
    EXPECT_DEATH((void)*after, "");
}

TEST(SecretString, wiped_string_is_empty_and_zero) {
    std::string text = "a secret that is long enough for the heap";
    const char* const bytes = text.data();
    const size_t size = text.size();
    wipe(text);
    EXPECT_TRUE(text.empty());
    EXPECT_EQ(std::string_view(bytes, size), std::string(size, '\0'));
}

}  // namespace
}  // namespace anchorhold::proxy
