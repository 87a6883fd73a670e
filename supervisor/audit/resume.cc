// The last record that the state knows, then those behind it, checked by their MACs.
#include "supervisor/audit/resume.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/sys.h"
#include "supervisor/audit/line_reader.h"
#include "supervisor/audit/log_line.h"

namespace anchorhold::supervisor {
namespace {

// Where the record that ends at `end` begins; its bytes go to `line`, without the newline.
Result<uint64_t> last_line(int log, uint64_t end, std::string& line) {
    const uint64_t begin = end - std::min<uint64_t>(end, kMaxLine);
    line.resize(end - begin);
    ANCHORHOLD_TRY(
        sys::read_exact_at(log, std::as_writable_bytes(std::span(line)), begin, "audit log"));
    if (!line.empty() && line.back() == '\n') {
        line.pop_back();
    }
    const size_t newline = line.rfind('\n');
    const size_t skipped = newline == std::string::npos ? 0 : newline + 1;
    line.erase(0, skipped);
    return begin + skipped;
}

// Goes over whole records behind the state that the last writer wrote and did not note there.
Status follow(int log, RatchetState& state) {
    LineReader reader(log, state.log_size);
    Hasher hasher;
    Ratchet ratchet;
    for (;;) {
        const auto line = ANCHORHOLD_TRY(reader.next());
        if (!line || !line->whole) {
            return {};
        }
        const auto record = parse_log_line(line->text);
        if (!record || record->n != state.position.records + 1 ||
            record->prev != state.position.head) {
            return {};
        }
        MacKey key = state.position.key;
        if (ratchet.mac_and_advance(key, record->maced) != record->mac) {
            wipe(key);
            return {};
        }
        state.position = {record->n, hasher.of(line->text), key};
        state.log_size = line->end;
        wipe(key);
    }
}

// The log is shorter than the state says: what is left of it, and what is lost.
Status accept_loss(int log, uint64_t size, ResumePoint& point) {
    uint64_t left = 0;
    std::optional<LogLine> last;
    Sha256 head{};
    LineReader reader(log);
    Hasher hasher;
    while (left < size) {
        const auto line = ANCHORHOLD_TRY(reader.next());
        if (!line || !line->whole) {
            break;
        }
        const auto record = parse_log_line(line->text);
        if (!record || record->n != (last ? last->n : 0) + 1) {
            break;
        }
        last = record;
        head = hasher.of(line->text);
        left = line->end;
    }
    ChainPosition& position = point.state.position;
    if (!last) {
        point.lost_log = to_hex(point.state.log_id);
        point.lost_first = 1;
        point.lost_last = position.records;
        position.records = 0;
        point.state.log_size = 0;
        return {};
    }
    point.lost_first = last->n + 1;
    point.lost_last = position.records;
    position.head = head;
    point.state.log_size = left;
    return {};
}

}  // namespace

Result<ResumePoint> find_resume_point(int log, int state, std::string_view name) {
    const uint64_t size = ANCHORHOLD_TRY(sys::file_size(log, "audit log"));
    const auto known = ANCHORHOLD_TRY(read_state(state));
    ResumePoint point;
    if (!known) {
        if (size == 0) {
            return point;
        }
        return fail(
            fmt::format("the audit log of {} has no state beside it and cannot go on; move "
                        "its folder away and keep it",
                        name));
    }
    point.state = *known;
    if (size < known->log_size) {
        ANCHORHOLD_TRY(accept_loss(log, size, point));
    } else {
        if (known->position.records > 0) {
            std::string line;
            ANCHORHOLD_TRY(last_line(log, known->log_size, line));
            if (Hasher().of(line) != known->position.head) {
                return fail(
                    fmt::format("the audit log of {} was changed at or before record {}; "
                                "see `anchorhold audit verify {}`, then move its folder "
                                "away and keep it",
                                name, known->position.records, name));
            }
        }
        ANCHORHOLD_TRY(follow(log, point.state));
    }
    point.cut = size - std::min(size, point.state.log_size);
    return point;
}

}  // namespace anchorhold::supervisor
