// One line out, the same line in, and nothing else.
#include "supervisor/audit/anchor.h"

#include "rig.h"

namespace anchorhold::supervisor {
namespace {

TEST(AnchorTest, line_that_was_written_is_read) {
    const AuditRig rig;
    Sha256 head{};
    head.fill(9);
    const std::string line =
        anchor_text(make_anchor(*rig.keys, "box", std::string(32, 'a'), 17, head));
    const Anchor anchor = parse_anchor("  " + line + " \n").value();
    EXPECT_EQ(anchor.sandbox, "box");
    EXPECT_EQ(anchor.records, 17U);
    EXPECT_EQ(anchor.head, head);
    EXPECT_EQ(anchor_text(anchor), line);
}

TEST(AnchorTest, any_change_of_a_line_is_refused) {
    const AuditRig rig;
    const std::string line =
        anchor_text(make_anchor(*rig.keys, "box", std::string(32, 'a'), 17, {}));
    for (size_t i = 0; i < line.size(); ++i) {
        std::string changed = line;
        changed[i] = changed[i] == '1' ? '2' : '1';
        EXPECT_FALSE(parse_anchor(changed)) << changed;
        EXPECT_FALSE(parse_anchor(line.substr(0, i)));
    }
    EXPECT_FALSE(parse_anchor(line + ":"));
    EXPECT_FALSE(parse_anchor(line + " x"));
    EXPECT_FALSE(parse_anchor(""));
    EXPECT_FALSE(parse_anchor("\n"));
}

}  // namespace
}  // namespace anchorhold::supervisor
