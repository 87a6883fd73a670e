// Keys that are made once, kept private, and open only what they sealed.
#include "supervisor/audit/audit_keys.h"

#include <sys/stat.h>

#include "rig.h"

namespace anchorhold::supervisor {
namespace {

TEST(AuditKeysTest, second_opening_finds_the_same_keys) {
    const AuditRig rig;
    const AuditKeys again = AuditKeys::open_or_create(rig.folder).value();
    EXPECT_EQ(again.signing_public(), rig.keys->signing_public());
    EXPECT_EQ(again.owner_public(), rig.keys->owner_public());
    EXPECT_EQ(read_public_key(rig.folder + "/.keys/signing.pub").value(),
              rig.keys->signing_public());
}

TEST(AuditKeysTest, private_halves_are_for_their_owner_alone) {
    const AuditRig rig;
    for (const char* name : {"/.keys/signing.key", "/.keys/owner.key"}) {
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
    EXPECT_EQ(again.owner_public(), rig.keys->owner_public());
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

TEST(AuditKeysTest, sealed_key_opens_for_its_owner_and_log_only) {
    const AuditRig rig;
    const AuditRig other;
    MacKey key{};
    key.fill(7);
    const std::string sealed = rig.keys->seal(key, "id");
    const OwnerKey owner = OwnerKey::read(rig.folder + "/.keys/owner.key").value();
    EXPECT_EQ(owner.unseal(sealed, "id"), key);
    EXPECT_FALSE(owner.unseal(sealed, "ie"));
    EXPECT_FALSE(OwnerKey::read(other.folder + "/.keys/owner.key").value().unseal(sealed, "id"));
    for (size_t i = 0; i < sealed.size(); ++i) {
        std::string changed = sealed;
        changed[i] = static_cast<char>(changed[i] ^ 1);
        EXPECT_FALSE(owner.unseal(changed, "id")) << i;
    }
    EXPECT_FALSE(owner.unseal(sealed.substr(1), "id"));
    EXPECT_FALSE(owner.unseal("", "id"));
}

TEST(AuditKeysTest, file_that_is_no_key_is_an_error) {
    const AuditRig rig;
    EXPECT_FALSE(OwnerKey::read(rig.folder + "/.keys/signing.key"));
    EXPECT_FALSE(read_public_key(rig.folder + "/.keys/owner.pub"));
    std::ofstream(rig.folder + "/.keys/signing.pub") << "no key";
    EXPECT_FALSE(read_public_key(rig.folder + "/.keys/signing.pub"));
}

}  // namespace
}  // namespace anchorhold::supervisor
