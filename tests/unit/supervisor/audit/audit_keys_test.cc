// Keys that are made once, kept private, and open only what they sealed.
#include "supervisor/audit/audit_keys.h"

#include <sys/stat.h>

#include "base/sys.h"
#include "rig.h"

namespace anchorhold::supervisor {
namespace {

TEST(AuditKeysTest, second_opening_finds_the_same_keys) {
    const AuditRig rig;
    const AuditKeys again = AuditKeys::open_or_create(rig.folder).value();
    EXPECT_EQ(again.signing_public(), rig.keys->signing_public());
    EXPECT_EQ(again.owner_id(), rig.keys->owner_id());
    EXPECT_EQ(read_public_key(rig.folder + "/.keys/signing.pub").value(),
              rig.keys->signing_public());
}

TEST(AuditKeysTest, private_halves_are_for_their_owner_alone) {
    const AuditRig rig;
    for (const char* name : {"/.keys/signing.key", "/.keys/owner.key", "/.keys/next-log"}) {
        struct stat status {};
        ASSERT_EQ(::stat((rig.folder + name).c_str(), &status), 0);
        EXPECT_EQ(status.st_mode & 0777U, 0600U);
    }
    ASSERT_EQ(::chmod((rig.folder + "/.keys/signing.key").c_str(), 0640), 0);
    EXPECT_FALSE(AuditKeys::open_or_create(rig.folder));
}

TEST(AuditKeysTest, owner_key_that_was_taken_away_is_not_made_again) {
    const AuditRig rig;
    std::filesystem::remove(rig.folder + "/.keys/owner.key");
    const AuditKeys again = AuditKeys::open_or_create(rig.folder).value();
    EXPECT_EQ(again.owner_id(), rig.keys->owner_id());
    EXPECT_FALSE(std::filesystem::exists(rig.folder + "/.keys/owner.key"));
}

TEST(AuditKeysTest, signature_holds_for_its_message_and_key_only) {
    const AuditRig rig;
    const AuditRig other;
    Signature signature = rig.keys->sign("message");
    EXPECT_TRUE(signature_holds(rig.keys->signing_public(), "message", signature));
    EXPECT_FALSE(signature_holds(rig.keys->signing_public(), "messagf", signature));
    EXPECT_FALSE(signature_holds(other.keys->signing_public(), "message", signature));
    signature[5] ^= 1;
    EXPECT_FALSE(signature_holds(rig.keys->signing_public(), "message", signature));
}

TEST(AuditKeysTest, owner_gives_each_log_the_key_it_began_with) {
    const AuditRig rig;
    const OwnerKey owner = OwnerKey::read(rig.folder + "/.keys/owner.key").value();
    EXPECT_EQ(owner.id(), rig.keys->owner_id());
    for (uint64_t serial = 1; serial <= 3; ++serial) {
        const AuditKeys keys = AuditKeys::open_or_create(rig.folder).value();
        const LogKey log = keys.next_log_key().value();
        EXPECT_EQ(log.serial, serial);
        EXPECT_EQ(log.key, owner.log_key(serial));
        EXPECT_NE(log.key, owner.log_key(serial + 1));
    }
    const AuditRig other;
    EXPECT_NE(other.keys->owner_id(), owner.id());
}

TEST(AuditKeysTest, link_that_gave_a_key_is_overwritten) {
    const AuditRig rig;
    const std::string before = sys::read_file(rig.folder + "/.keys/next-log").value();
    ASSERT_TRUE(rig.keys->next_log_key());
    const std::string after = sys::read_file(rig.folder + "/.keys/next-log").value();
    EXPECT_EQ(after.size(), before.size());
    EXPECT_EQ(after.find(before.substr(16, 32)), std::string::npos);
}

TEST(AuditKeysTest, chain_that_is_damaged_gives_no_key) {
    const AuditRig rig;
    std::string link = sys::read_file(rig.folder + "/.keys/next-log").value();
    link[20] = static_cast<char>(link[20] ^ 1);
    ASSERT_TRUE(sys::write_file(rig.folder + "/.keys/next-log", link));
    EXPECT_FALSE(rig.keys->next_log_key());
    EXPECT_FALSE(rig.open());
}

TEST(AuditKeysTest, file_that_is_no_key_is_an_error) {
    const AuditRig rig;
    EXPECT_FALSE(OwnerKey::read(rig.folder + "/.keys/signing.key"));
    EXPECT_FALSE(read_public_key(rig.folder + "/.keys/owner.id"));
    std::ofstream(rig.folder + "/.keys/signing.pub") << "no key";
    EXPECT_FALSE(read_public_key(rig.folder + "/.keys/signing.pub"));
}

}  // namespace
}  // namespace anchorhold::supervisor
