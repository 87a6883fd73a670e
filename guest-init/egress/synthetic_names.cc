// A list in order of use, with two indexes.
#include "guest-init/egress/synthetic_names.h"

#include <iterator>

#include "base/check.h"

namespace anchorhold::guest_init {
namespace {

constexpr uint32_t kBase = (198U << 24) | (18U << 16);
constexpr uint32_t kRange = 1U << 17;
// .0.0 and .0.1 (kOwnAddress) are left out, and so is the range's last, a broadcast to some.
constexpr uint32_t kFirst = 2;
constexpr uint32_t kLast = kRange - 2;

uint32_t number_of(Ipv4Address address) {
    return (uint32_t{address[0]} << 24) | (uint32_t{address[1]} << 16) |
           (uint32_t{address[2]} << 8) | uint32_t{address[3]};
}

Ipv4Address address_at(uint32_t offset) {
    const uint32_t number = kBase + offset;
    return {static_cast<uint8_t>(number >> 24), static_cast<uint8_t>(number >> 16),
            static_cast<uint8_t>(number >> 8), static_cast<uint8_t>(number)};
}

}  // namespace

SyntheticNames::SyntheticNames(size_t capacity) : capacity_(capacity), next_(kFirst) {
    ANCHORHOLD_CHECK(capacity > 0 && capacity < kLast - kFirst);
}

bool SyntheticNames::in_range(Ipv4Address address) {
    return (number_of(address) & ~(kRange - 1)) == kBase;
}

std::optional<Ipv4Address> SyntheticNames::address_of(std::string_view name) {
    const auto known = by_name_.find(name);
    if (known != by_name_.end()) {
        use(known->second);
        return address_at(known->second->offset);
    }
    if (entries_.size() >= capacity_ && !make_room()) {
        return std::nullopt;
    }
    while (by_offset_.contains(next_)) {
        next_ = next_ == kLast ? kFirst : next_ + 1;
    }
    entries_.push_front(Entry{std::string(name), next_});
    const auto entry = entries_.begin();
    by_name_.emplace(entry->name, entry);
    by_offset_.emplace(entry->offset, entry);
    next_ = next_ == kLast ? kFirst : next_ + 1;
    return address_at(entry->offset);
}

bool SyntheticNames::make_room() {
    for (auto entry = entries_.rbegin(); entry != entries_.rend(); ++entry) {
        if (entry->holders == 0) {
            by_name_.erase(entry->name);
            by_offset_.erase(entry->offset);
            entries_.erase(std::next(entry).base());
            return true;
        }
    }
    return false;
}

SyntheticNames::Entry* SyntheticNames::find(Ipv4Address address) {
    if (!in_range(address)) {
        return nullptr;
    }
    const auto found = by_offset_.find(number_of(address) - kBase);
    if (found == by_offset_.end()) {
        return nullptr;
    }
    use(found->second);
    return &*found->second;
}

std::optional<std::string> SyntheticNames::name_of(Ipv4Address address) {
    const Entry* const entry = find(address);
    return entry == nullptr ? std::nullopt : std::optional(entry->name);
}

void SyntheticNames::hold(Ipv4Address address) {
    Entry* const entry = find(address);
    ANCHORHOLD_CHECK(entry != nullptr);
    ++entry->holders;
}

void SyntheticNames::release(Ipv4Address address) {
    Entry* const entry = find(address);
    ANCHORHOLD_CHECK(entry != nullptr && entry->holders > 0);
    --entry->holders;
}

}  // namespace anchorhold::guest_init
