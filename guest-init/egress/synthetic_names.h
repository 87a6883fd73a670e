// Which synthetic address stands for which name. The addresses come from 198.18.0.0/15 (RFC 2544):
// they exist nowhere, so an address of this range that reaches init was an answer of its DNS stub.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace anchorhold::guest_init {

using Ipv4Address = std::array<uint8_t, 4>;  // network order

class SyntheticNames {
  public:
    static constexpr size_t kDefaultCapacity = 8192;

    explicit SyntheticNames(size_t capacity = kDefaultCapacity);

    // The name's address: the same one for as long as the name is kept. A new name takes the place
    // of the one unused for longest, except of those in use; addresses are handed out in turn, so
    // that one comes back only after all others: whoever kept an answer for too long finds nobody
    // rather than somebody else. Nothing when all names are in use.
    [[nodiscard]] std::optional<Ipv4Address> address_of(std::string_view name);

    // The name behind an address; nothing where none is.
    [[nodiscard]] std::optional<std::string> name_of(Ipv4Address address);

    // A connection to this address begins and ends: a name is kept for as long as one is there.
    void hold(Ipv4Address address);
    void release(Ipv4Address address);

    // Whether an address is one of those that only this table gives a meaning.
    [[nodiscard]] static bool in_range(Ipv4Address address);

    [[nodiscard]] size_t size() const { return entries_.size(); }

  private:
    struct Entry {
        std::string name;
        uint32_t offset;  // of the address in the range
        size_t holders = 0;
    };
    using Entries = std::list<Entry>;

    [[nodiscard]] Entry* find(Ipv4Address address);
    void use(Entries::iterator entry) { entries_.splice(entries_.begin(), entries_, entry); }
    bool make_room();

    size_t capacity_;
    uint32_t next_ = 0;
    Entries entries_;                                                  // the one used last is first
    std::unordered_map<std::string_view, Entries::iterator> by_name_;  // keys are in entries_
    std::unordered_map<uint32_t, Entries::iterator> by_offset_;
};

}  // namespace anchorhold::guest_init
