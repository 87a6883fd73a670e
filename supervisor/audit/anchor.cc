// Seven fields and colons.
#include "supervisor/audit/anchor.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "supervisor/audit/digest.h"
#include "supervisor/audit/log_folder.h"
#include "supervisor/audit/record_chain.h"

namespace anchorhold::supervisor {
namespace {

constexpr std::string_view kMark = "anchorhold-audit-1";
constexpr size_t kFields = 7;
constexpr size_t kLogIdHex = 32;

bool is_log_id(std::string_view text) {
    std::array<uint8_t, kLogIdHex / 2> bytes;
    return from_hex(text, bytes);
}

}  // namespace

std::string anchor_text(const Anchor& anchor) {
    return fmt::format("{}:{}:{}:{}:{}:{}:{}", kMark, anchor.sandbox, anchor.log_id, anchor.records,
                       to_hex(anchor.head), to_hex(anchor.signer), to_hex(anchor.signature));
}

Result<Anchor> parse_anchor(std::string_view line) {
    constexpr std::string_view kBlank = " \t\r\n";
    line.remove_prefix(std::min(line.find_first_not_of(kBlank), line.size()));
    line = line.substr(0, line.find_last_not_of(kBlank) + 1);
    std::array<std::string_view, kFields> fields;
    for (size_t i = 0; i < kFields; ++i) {
        const size_t colon = line.find(':');
        if ((colon == std::string_view::npos) != (i + 1 == kFields)) {
            return fail("this is no anchor line of `anchorhold audit anchor`");
        }
        fields[i] = line.substr(0, colon);
        line.remove_prefix(colon == std::string_view::npos ? line.size() : colon + 1);
    }
    Anchor anchor;
    anchor.sandbox = fields[1];
    anchor.log_id = fields[2];
    const auto number = std::from_chars(fields[3].begin(), fields[3].end(), anchor.records);
    if (fields[0] != kMark || !is_log_name(fields[1]) || !is_log_id(fields[2]) ||
        number.ec != std::errc() || number.ptr != fields[3].end() ||
        !from_hex(fields[4], anchor.head) || !from_hex(fields[5], anchor.signer) ||
        !from_hex(fields[6], anchor.signature)) {
        return fail("this is no anchor line of `anchorhold audit anchor`, or part of one");
    }
    const std::string message =
        checkpoint_message(anchor.log_id, anchor.sandbox, anchor.records, anchor.head);
    if (!signature_holds(anchor.signer, message, anchor.signature)) {
        return fail("the anchor's signature does not hold: it was changed or copied wrongly");
    }
    return anchor;
}

Anchor make_anchor(const AuditKeys& keys, std::string sandbox, std::string log_id, uint64_t records,
                   const Sha256& head) {
    const Signature signature = keys.sign(checkpoint_message(log_id, sandbox, records, head));
    return {std::move(sandbox), std::move(log_id), records, head, keys.signing_public(), signature};
}

}  // namespace anchorhold::supervisor
