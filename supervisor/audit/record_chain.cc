// Lines out of fields.
#include "supervisor/audit/record_chain.h"

#include <fmt/format.h>

namespace anchorhold::supervisor {

std::string checkpoint_message(std::string_view log_id, std::string_view sandbox, uint64_t records,
                               const Sha256& head) {
    return fmt::format("anchorhold audit checkpoint 1\n{}\n{}\n{}\n{}\n", log_id, sandbox, records,
                       to_hex(head));
}

RecordChain::RecordChain(const ChainPosition& from, std::string constant)
    : committed_(from), current_(from), constant_(std::move(constant)) {}

RecordChain::~RecordChain() {
    wipe(committed_.key);
    wipe(current_.key);
}

std::string& RecordChain::begin(uint64_t time_ns, std::string_view event) {
    line_ = pending_.size();
    pending_.append("{\"n\":");
    append_number(pending_, current_.records + 1);
    pending_.append(",\"time\":\"");
    time_.append(pending_, time_ns);
    pending_.push_back('"');
    pending_.append(constant_).append(",\"event\":\"").append(event).push_back('"');
    return pending_;
}

void RecordChain::end() {
    pending_.append(kPrevKey);
    append_hex(pending_, current_.head);
    // The MAC covers the line up to and with the value of prev, without its closing quote.
    const Sha256 mac =
        ratchet_.mac_and_advance(current_.key, std::string_view(pending_).substr(line_));
    pending_.append(kMacKey);
    append_hex(pending_, mac);
    pending_.append(kLineEnd);
    current_.head = hasher_.of(std::string_view(pending_).substr(line_));
    ++current_.records;
    pending_.push_back('\n');
}

void RecordChain::commit() {
    wipe(committed_.key);
    committed_ = current_;
    pending_.clear();
}

void RecordChain::roll_back() {
    wipe(current_.key);
    current_ = committed_;
    pending_.clear();
}

}  // namespace anchorhold::supervisor
