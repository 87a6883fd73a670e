// Which backend a restore gets, and what is said where it cannot have one.
#include "supervisor/memory_backend.h"

#include <gtest/gtest.h>

namespace anchorhold::supervisor {
namespace {

TEST(MemoryBackend, words_are_read_back) {
    for (const MemoryBackend backend : {MemoryBackend::kFile, MemoryBackend::kUserfaultfd}) {
        EXPECT_EQ(memory_backend(to_text(backend)), backend);
    }
    for (const char* other : {"", "File", "uffd", "userfaultfd ", "file,userfaultfd"}) {
        EXPECT_FALSE(memory_backend(other)) << other;
    }
}

TEST(MemoryBackend, wish_is_either_of_two_words_or_none) {
    EXPECT_EQ(wished_backend("").value(), std::nullopt);
    EXPECT_EQ(wished_backend("file").value(), MemoryBackend::kFile);
    EXPECT_EQ(wished_backend("userfaultfd").value(), MemoryBackend::kUserfaultfd);
    EXPECT_EQ(wished_backend("uffd").error().message,
              "a memory backend is 'file' or 'userfaultfd'");
}

TEST(MemoryBackend, sparse_file_is_mapped_unless_asked_otherwise) {
    EXPECT_EQ(choose_backend(MemoryForm::kSparse, std::nullopt).value(), MemoryBackend::kFile);
    for (const MemoryBackend asked : {MemoryBackend::kFile, MemoryBackend::kUserfaultfd}) {
        EXPECT_EQ(choose_backend(MemoryForm::kSparse, asked).value(), asked);
    }
}

TEST(MemoryBackend, compressed_file_is_served_and_cannot_be_mapped) {
    EXPECT_EQ(choose_backend(MemoryForm::kCompressed, std::nullopt).value(),
              MemoryBackend::kUserfaultfd);
    EXPECT_EQ(choose_backend(MemoryForm::kCompressed, MemoryBackend::kUserfaultfd).value(),
              MemoryBackend::kUserfaultfd);
    const auto refused = choose_backend(MemoryForm::kCompressed, MemoryBackend::kFile);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("anchorhold template expand"), std::string::npos)
        << refused.error().message;
}

}  // namespace
}  // namespace anchorhold::supervisor
