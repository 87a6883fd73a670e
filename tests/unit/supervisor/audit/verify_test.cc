// Every kind of tampering, done to a real log, and what is said of it.
#include "supervisor/audit/verify.h"

#include <functional>

#include "rig.h"
#include "supervisor/audit/digest.h"

namespace anchorhold::supervisor {
namespace {

using Lines = std::vector<std::string>;
using Owner = AuditRig::Owner;

// Records: 1 log, 2..7 decisions, 8 checkpoint.
constexpr int kDecisions = 6;

TEST(VerifyTest, honest_log_has_no_findings_and_says_what_is_not_known) {
    const AuditRig rig;
    rig.write(kDecisions);
    const VerifyReport report = rig.verify();
    EXPECT_TRUE(report.findings.empty());
    EXPECT_TRUE(report.macs_checked);
    EXPECT_EQ(report.records, 8U);
    EXPECT_EQ(report.checkpointed, 7U);
    ASSERT_EQ(report.unknown.size(), 1U);
    EXPECT_NE(report.unknown[0].find("records 1 to 8 are not anchored"), std::string::npos);
}

TEST(VerifyTest, without_the_owners_key_it_says_that_macs_were_not_checked) {
    const AuditRig rig;
    rig.write(kDecisions);
    const VerifyReport report = rig.verify(Owner::away);
    EXPECT_TRUE(report.findings.empty());
    EXPECT_FALSE(report.macs_checked);
    EXPECT_EQ(report.unknown.size(), 2U);
}

struct Tampering {
    const char* name;
    std::function<void(Lines&)> change;
    uint64_t with_key;     // the record named with the owner's key
    uint64_t without_key;  // and without; 0: not found
};

class TamperingTest : public testing::TestWithParam<Tampering> {};

void replace(std::string& line, const std::string& from, const std::string& to) {
    const size_t at = line.find(from);
    ASSERT_NE(at, std::string::npos);
    line.replace(at, from.size(), to);
}

TEST_P(TamperingTest, change_is_found_and_its_record_named) {
    const AuditRig rig;
    rig.write(kDecisions);
    Lines lines = rig.lines();
    ASSERT_EQ(lines.size(), 8U);
    GetParam().change(lines);
    rig.set_lines(lines);
    for (const Owner owner : {Owner::here, Owner::away}) {
        const VerifyReport report = rig.verify(owner);
        const uint64_t record = owner == Owner::here ? GetParam().with_key : GetParam().without_key;
        ASSERT_FALSE(report.findings.empty());
        EXPECT_EQ(report.findings[0].record, record) << report.findings[0].what;
    }
}

INSTANTIATE_TEST_SUITE_P(
    all, TamperingTest,
    testing::Values(
        Tampering{"edit", [](Lines& l) { replace(l[3], "\"/2\"", "\"/9\""); }, 4, 4},
        Tampering{"edit_of_the_first", [](Lines& l) { replace(l[0], "\"me\"", "\"you\""); }, 1, 1},
        Tampering{"edit_of_the_last", [](Lines& l) { replace(l[7], "\"me\"", "\"you\""); }, 8, 8},
        Tampering{"edit_of_a_mac", [](Lines& l) { l[3][l[3].size() - 5] ^= 1; }, 4, 4},
        Tampering{"edit_of_a_time", [](Lines& l) { replace(l[4], ":20.123", ":21.123"); }, 5, 5},
        Tampering{"reorder", [](Lines& l) { std::swap(l[3], l[4]); }, 4, 4},
        Tampering{"cut_from_the_middle", [](Lines& l) { l.erase(l.begin() + 3, l.begin() + 5); }, 4,
                  4},
        Tampering{"cut_from_the_beginning", [](Lines& l) { l.erase(l.begin()); }, 1, 1},
        Tampering{"cut_from_the_end", [](Lines& l) { l.resize(5); }, 6, 6},
        Tampering{"cut_of_the_last", [](Lines& l) { l.pop_back(); }, 8, 8},
        Tampering{"everything_cut", [](Lines& l) { l.clear(); }, 1, 1},
        Tampering{"duplicate_behind_itself", [](Lines& l) { l.insert(l.begin() + 4, l[3]); }, 4, 4},
        Tampering{"duplicate_elsewhere", [](Lines& l) { l.insert(l.begin() + 6, l[3]); }, 4, 4},
        Tampering{"garbage_line", [](Lines& l) { l.insert(l.begin() + 4, "{}"); }, 5, 5},
        Tampering{"line_made_garbage", [](Lines& l) { l[4] = "x"; }, 5, 5},
        Tampering{"renamed_sandbox", [](Lines& l) { replace(l[4], "\"box\"", "\"bax\""); }, 5, 5},
        Tampering{"number_changed", [](Lines& l) { replace(l[4], "\"n\":5", "\"n\":6"); }, 5, 5}),
    [](const auto& tampering) { return tampering.param.name; });

TEST(VerifyTest, record_of_another_sandbox_is_named) {
    const AuditRig rig;
    rig.write(kDecisions);
    rig.write(kDecisions, "other");
    Lines lines = rig.lines();
    lines[3] = rig.lines("other")[3];
    rig.set_lines(lines);
    const VerifyReport report = rig.verify();
    ASSERT_EQ(report.findings.size(), 1U);
    EXPECT_NE(report.findings[0].what.find("belongs to sandbox other"), std::string::npos);
}

TEST(VerifyTest, record_of_an_earlier_log_of_the_same_name_is_found) {
    const AuditRig rig;
    rig.write(kDecisions);
    const Lines earlier = rig.lines();
    std::filesystem::remove_all(rig.folder + "/box");
    rig.write(kDecisions);
    Lines lines = rig.lines();
    lines[3] = earlier[3];
    rig.set_lines(lines);
    EXPECT_EQ(rig.verify().findings.at(0).record, 3U) << "its prev is another's";
}

// Somebody with every file and key of the host but the owner's: the new log can be consistent in
// itself, and cannot have the old one's number.
TEST(VerifyTest, log_made_anew_under_the_host_s_keys_stands_out_of_line) {
    const AuditRig rig;
    rig.write(kDecisions);
    rig.write(kDecisions, "between");
    const Lines honest = rig.lines();
    std::filesystem::remove_all(rig.folder + "/box");
    rig.write(kDecisions);
    EXPECT_TRUE(rig.verify().notes.empty());
    Lines forged = rig.lines();
    replace(forged[0], forged[0].substr(9, 37), honest[0].substr(9, 37));  // "time":"…"
    rig.set_lines(forged);
    const VerifyReport report = rig.verify();
    EXPECT_EQ(report.notes.size(), 1U);
    EXPECT_EQ(report.serial, 3U);
    replace(forged[0], "\"serial\":3", "\"serial\":1");
    rig.set_lines(forged);
    EXPECT_EQ(rig.verify().findings.at(0).record, 1U);
}

TEST(VerifyTest, log_with_another_s_serial_number_is_found) {
    const AuditRig rig;
    rig.write(kDecisions);
    std::filesystem::copy(rig.folder + "/box", rig.folder + "/copy");
    const VerifyReport report = rig.verify();
    ASSERT_EQ(report.findings.size(), 1U);
    EXPECT_NE(report.findings[0].what.find("copy"), std::string::npos);
}

TEST(VerifyTest, checkpoint_signed_by_somebody_else_is_found) {
    const AuditRig rig;
    rig.write(kDecisions);
    VerifyOptions options;
    options.signer = AuditRig().keys->signing_public();
    const VerifyReport report = verify_log(rig.folder, "box", options).value();
    ASSERT_EQ(report.findings.size(), 2U) << "the first record's key and the checkpoint";
    EXPECT_EQ(report.findings[1].record, 8U);
}

Anchor anchor_of(const AuditRig& rig) {
    const VerifyReport report = rig.verify();
    return make_anchor(*rig.keys, "box", report.log_id, report.records, report.head);
}

TEST(VerifyTest, anchor_that_fits_vouches_up_to_its_record) {
    const AuditRig rig;
    rig.write(kDecisions);
    const Anchor anchor = anchor_of(rig);
    EXPECT_TRUE(rig.verify(Owner::here, {anchor}).unknown.empty());
    rig.write(2);
    const VerifyReport report = rig.verify(Owner::here, {anchor});
    EXPECT_TRUE(report.findings.empty());
    EXPECT_EQ(report.anchored, 8U);
    ASSERT_EQ(report.unknown.size(), 1U);
    EXPECT_NE(report.unknown[0].find("records 9 to 11 are not anchored"), std::string::npos);
}

TEST(VerifyTest, rollback_of_all_files_shows_against_an_anchor_only) {
    const AuditRig rig;
    rig.write(kDecisions);
    std::filesystem::copy(rig.folder + "/box", rig.folder + "/kept");
    rig.write(2);
    const Anchor anchor = anchor_of(rig);
    std::filesystem::remove_all(rig.folder + "/box");
    std::filesystem::rename(rig.folder + "/kept", rig.folder + "/box");
    EXPECT_TRUE(rig.verify().findings.empty());
    const VerifyReport report = rig.verify(Owner::here, {anchor});
    ASSERT_EQ(report.findings.size(), 1U);
    EXPECT_EQ(report.findings[0].record, 11U);
}

TEST(VerifyTest, log_that_was_replaced_shows_against_an_anchor) {
    const AuditRig rig;
    rig.write(kDecisions);
    const Anchor anchor = anchor_of(rig);
    std::filesystem::remove_all(rig.folder + "/box");
    rig.write(kDecisions);
    EXPECT_TRUE(rig.verify().findings.empty());
    EXPECT_FALSE(rig.verify(Owner::here, {anchor}).findings.empty());
}

TEST(VerifyTest, state_that_was_changed_or_taken_away_is_told) {
    const AuditRig rig;
    rig.write(kDecisions);
    std::filesystem::copy(rig.file("state"), rig.folder + "/kept");
    rig.write(2);
    rig.write(2, "other");
    std::filesystem::copy_file(rig.file("state", "other"), rig.file("state"),
                               std::filesystem::copy_options::overwrite_existing);
    EXPECT_FALSE(rig.verify().findings.empty());
    std::filesystem::remove(rig.file("state"));
    const VerifyReport report = rig.verify();
    EXPECT_TRUE(report.findings.empty());
    EXPECT_NE(report.unknown.at(0).find("no state"), std::string::npos);
}

TEST(VerifyTest, log_that_is_not_there_is_an_error) {
    const AuditRig rig;
    EXPECT_FALSE(verify_log(rig.folder, "box", {}));
}

}  // namespace
}  // namespace anchorhold::supervisor
