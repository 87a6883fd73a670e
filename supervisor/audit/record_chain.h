// Records in order: numbers, the chain of hashes, the ratcheting key. Bytes only; no file.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "supervisor/audit/digest.h"
#include "supervisor/audit/json_text.h"

namespace anchorhold::supervisor {

// How a line ends: ,"mac":"<64 hex>"} and before that ,"prev":"<64 hex>".
constexpr std::string_view kPrevKey = ",\"prev\":\"";
constexpr std::string_view kMacKey = "\",\"mac\":\"";
constexpr std::string_view kLineEnd = "\"}";
constexpr size_t kHexSize = 2 * kSha256Size;

// Where a chain stands behind its last record.
struct ChainPosition {
    uint64_t records = 0;  // the last one's number
    Sha256 head{};         // SHA-256 of the last line without its newline; zeros before the first
    MacKey key{};          // of the next record
};

// What a checkpoint and an anchor sign.
[[nodiscard]] std::string checkpoint_message(std::string_view log_id, std::string_view sandbox,
                                             uint64_t records, const Sha256& head);

// Collects lines until they are written. Wipes its keys.
class RecordChain {
  public:
    // `constant` is the text of the fields that every record has between its time and its event:
    // ,"sandbox":"…",…
    RecordChain(const ChainPosition& from, std::string constant);
    ~RecordChain();
    RecordChain(const RecordChain&) = delete;
    RecordChain& operator=(const RecordChain&) = delete;

    // Begins a record; append its fields to what comes back, each with its comma in front, then
    // end it.
    std::string& begin(uint64_t time_ns, std::string_view event);
    void end();

    // Lines that ended since the last commit() or roll_back().
    [[nodiscard]] const std::string& pending() const { return pending_; }
    // They are written: forgets them, and the keys that made them.
    void commit();
    // They are not: stands again where it stood.
    void roll_back();

    [[nodiscard]] const ChainPosition& position() const { return current_; }

  private:
    ChainPosition committed_;
    ChainPosition current_;
    const std::string constant_;
    std::string pending_;
    size_t line_ = 0;  // where the open record begins
    TimeText time_;
    Hasher hasher_;
    Ratchet ratchet_;
};

}  // namespace anchorhold::supervisor
