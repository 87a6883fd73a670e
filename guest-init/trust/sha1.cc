// The textbook's 80 rounds.
#include "guest-init/trust/sha1.h"

#include <bit>
#include <cstddef>
#include <string>

namespace anchorhold::guest_init {
namespace {

constexpr size_t kBlock = 64;

using State = std::array<uint32_t, 5>;

void add_block(State& state, const uint8_t* block) {
    std::array<uint32_t, 80> w{};
    for (size_t t = 0; t < 16; ++t) {
        w[t] = (uint32_t{block[4 * t]} << 24) | (uint32_t{block[4 * t + 1]} << 16) |
               (uint32_t{block[4 * t + 2]} << 8) | uint32_t{block[4 * t + 3]};
    }
    for (size_t t = 16; t < 80; ++t) {
        w[t] = std::rotl(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
    }
    auto [a, b, c, d, e] = state;
    for (size_t t = 0; t < 80; ++t) {
        uint32_t f = b ^ c ^ d;
        uint32_t k = 0xca62c1d6;
        if (t < 20) {
            f = (b & c) ^ (~b & d);
            k = 0x5a827999;
        } else if (t < 40) {
            k = 0x6ed9eba1;
        } else if (t < 60) {
            f = (b & c) ^ (b & d) ^ (c & d);
            k = 0x8f1bbcdc;
        }
        const uint32_t next = std::rotl(a, 5) + f + e + k + w[t];
        e = d;
        d = c;
        c = std::rotl(b, 30);
        b = a;
        a = next;
    }
    state = {state[0] + a, state[1] + b, state[2] + c, state[3] + d, state[4] + e};
}

}  // namespace

std::array<uint8_t, 20> sha1(std::string_view bytes) {
    State state{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    const uint64_t bits = uint64_t{bytes.size()} * 8;
    const auto* at = reinterpret_cast<const uint8_t*>(bytes.data());
    size_t left = bytes.size();
    for (; left >= kBlock; left -= kBlock, at += kBlock) {
        add_block(state, at);
    }
    // §5.1.1: a one bit, zeros, the length.
    std::array<uint8_t, 2 * kBlock> tail{};
    std::copy(at, at + left, tail.begin());
    tail[left] = 0x80;
    const size_t end = left + 9 <= kBlock ? kBlock : 2 * kBlock;
    for (size_t i = 0; i < 8; ++i) {
        tail[end - 1 - i] = static_cast<uint8_t>(bits >> (8 * i));
    }
    for (size_t i = 0; i < end; i += kBlock) {
        add_block(state, tail.data() + i);
    }
    std::array<uint8_t, 20> digest{};
    for (size_t i = 0; i < digest.size(); ++i) {
        digest[i] = static_cast<uint8_t>(state[i / 4] >> (24 - 8 * (i % 4)));
    }
    return digest;
}

}  // namespace anchorhold::guest_init
