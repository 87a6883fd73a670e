// bpf(2) by hand: a socket map of one entry, a program, a link.
#include "guest-init/egress/steering.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <optional>
#include <string>

#include "base/check.h"
#include "base/sys.h"
#include "guest-init/egress/local_routes.h"

namespace anchorhold::guest_init {
namespace {

constexpr size_t kVerifierLog = 4096;
constexpr char kLicense[] = "Apache-2.0";

// Registers by what the program keeps in them (r1 to r5 are arguments, r0 is the result).
constexpr uint8_t kContext = 6;
constexpr uint8_t kSocket = 7;
constexpr uint8_t kOutcome = 8;
constexpr uint8_t kFrame = 10;

constexpr bpf_insn instruction(int code, int destination, int source, int offset, int immediate) {
    return {static_cast<uint8_t>(code), static_cast<uint8_t>(destination & 0xf),
            static_cast<uint8_t>(source & 0xf), static_cast<int16_t>(offset), immediate};
}
constexpr bpf_insn copy(int to, int from) {
    return instruction(BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0);
}
constexpr bpf_insn set(int to, int value) {
    return instruction(BPF_ALU64 | BPF_MOV | BPF_K, to, 0, 0, value);
}
// A 32-bit field of the context.
constexpr bpf_insn load(int to, size_t field) {
    return instruction(BPF_LDX | BPF_MEM | BPF_W, to, kContext, static_cast<int>(field), 0);
}
constexpr bpf_insn call(int helper) {
    return instruction(BPF_JMP | BPF_CALL, 0, 0, 0, helper);
}
constexpr bpf_insn end() {
    return instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

constexpr size_t local_ip6_word(size_t index) {
    return offsetof(bpf_sk_lookup, local_ip6) + index * sizeof(uint32_t);
}

// Instructions with jumps to places that are named before they are known.
class Assembler {
  public:
    enum class Label : uint8_t { kIpv6, kSteer, kPass, kDrop, kCount };

    void emit(const bpf_insn& one) { code_.push_back(one); }
    // `test` is BPF_JEQ, BPF_JNE or BPF_JA, on the low 32 bits.
    void jump(int test, int reg, uint32_t value, Label to) {
        fixups_.push_back({code_.size(), to});
        const int width = test == BPF_JA ? BPF_JMP : BPF_JMP32;
        emit(instruction(width | test | BPF_K, reg, 0, 0, static_cast<int>(value)));
    }
    void place(Label label) { places_[static_cast<size_t>(label)] = code_.size(); }

    std::vector<bpf_insn> finish() {
        for (const Fixup& fixup : fixups_) {
            const size_t target = places_[static_cast<size_t>(fixup.to)].value();
            ANCHORHOLD_CHECK(target > fixup.at);  // the verifier wants no loops
            code_[fixup.at].off = static_cast<int16_t>(target - fixup.at - 1);
        }
        return code_;
    }

  private:
    struct Fixup {
        size_t at;
        Label to;
    };
    std::vector<bpf_insn> code_;
    std::vector<Fixup> fixups_;
    std::optional<size_t> places_[static_cast<size_t>(Label::kCount)];
};

Result<OwnFd> bpf(bpf_cmd command, bpf_attr& attributes, const char* what) {
    const long result = ::syscall(SYS_bpf, command, &attributes, sizeof attributes);
    if (result < 0) {
        return fail_errno("bpf", what);
    }
    return OwnFd(static_cast<int>(result));
}

Result<OwnFd> make_map(int listener) {
    bpf_attr create{};
    create.map_type = BPF_MAP_TYPE_SOCKMAP;
    create.key_size = sizeof(uint32_t);
    create.value_size = sizeof(uint64_t);
    create.max_entries = 1;
    OwnFd map = ANCHORHOLD_TRY(bpf(BPF_MAP_CREATE, create, "BPF_MAP_CREATE of a socket map"));
    const uint32_t key = 0;
    const auto value = static_cast<uint64_t>(listener);
    bpf_attr update{};
    update.map_fd = static_cast<uint32_t>(map.get());
    update.key = std::bit_cast<uint64_t>(&key);
    update.value = std::bit_cast<uint64_t>(&value);
    if (::syscall(SYS_bpf, BPF_MAP_UPDATE_ELEM, &update, sizeof update) < 0) {
        return fail_errno("bpf", "BPF_MAP_UPDATE_ELEM with the listener");
    }
    return map;
}

Result<OwnFd> load_program(int map) {
    const std::vector<bpf_insn> program = steering_program(map);
    bpf_attr attributes{};
    attributes.prog_type = BPF_PROG_TYPE_SK_LOOKUP;
    attributes.expected_attach_type = BPF_SK_LOOKUP;
    attributes.insn_cnt = static_cast<uint32_t>(program.size());
    attributes.insns = std::bit_cast<uint64_t>(program.data());
    attributes.license = std::bit_cast<uint64_t>(&kLicense[0]);
    std::memcpy(attributes.prog_name, "anchorhold", sizeof "anchorhold");
    auto loaded = bpf(BPF_PROG_LOAD, attributes, "BPF_PROG_LOAD of sk_lookup");
    if (loaded) {
        return loaded;
    }
    // Once more, for what the verifier has to say.
    std::string log(kVerifierLog, '\0');
    attributes.log_level = 1;
    attributes.log_size = kVerifierLog;
    attributes.log_buf = std::bit_cast<uint64_t>(log.data());
    if (auto again = bpf(BPF_PROG_LOAD, attributes, "")) {
        return again;
    }
    log.resize(std::strlen(log.c_str()));
    return tl::unexpected(
        Error{loaded.error().message + (log.empty() ? "" : ": " + log), loaded.error().code});
}

}  // namespace

std::vector<bpf_insn> steering_program(int map) {
    using Label = Assembler::Label;
    uint32_t own_address = 0;
    std::memcpy(&own_address, kOwnAddress, sizeof own_address);
    // Addresses in the context are in network order, as they lie in memory.
    constexpr uint32_t kFirstOctet = 0xff;
    constexpr uint32_t kLastWordOne = 0x01000000;  // of ::1
    static_assert(std::endian::native == std::endian::little);

    Assembler code;
    code.emit(copy(kContext, 1));
    code.emit(load(2, offsetof(bpf_sk_lookup, protocol)));
    code.jump(BPF_JNE, 2, IPPROTO_TCP, Label::kPass);
    code.emit(load(2, offsetof(bpf_sk_lookup, family)));
    code.jump(BPF_JEQ, 2, AF_INET6, Label::kIpv6);

    code.emit(load(2, offsetof(bpf_sk_lookup, local_ip4)));
    code.jump(BPF_JEQ, 2, own_address, Label::kPass);
    code.emit(instruction(BPF_ALU | BPF_AND | BPF_K, 2, 0, 0, kFirstOctet));
    code.jump(BPF_JEQ, 2, 127, Label::kPass);
    code.jump(BPF_JA, 0, 0, Label::kSteer);

    code.place(Label::kIpv6);
    for (size_t word = 0; word < 3; ++word) {
        code.emit(load(2, local_ip6_word(word)));
        code.jump(BPF_JNE, 2, 0, Label::kSteer);
    }
    code.emit(load(2, local_ip6_word(3)));
    code.jump(BPF_JEQ, 2, kLastWordOne, Label::kPass);

    code.place(Label::kSteer);  // listener = map[0]
    code.emit(instruction(BPF_ST | BPF_MEM | BPF_W, kFrame, 0, -4, 0));
    code.emit(copy(2, kFrame));
    code.emit(instruction(BPF_ALU64 | BPF_ADD | BPF_K, 2, 0, 0, -4));
    code.emit(instruction(BPF_LD | BPF_IMM | BPF_DW, 1, BPF_PSEUDO_MAP_FD, 0, map));
    code.emit(instruction(0, 0, 0, 0, 0));  // the upper half of the 64-bit immediate
    code.emit(call(BPF_FUNC_map_lookup_elem));
    code.emit(copy(kSocket, 0));
    code.emit(instruction(BPF_JMP | BPF_JNE | BPF_K, kSocket, 0, 2, 0));
    code.emit(set(0, SK_DROP));  // no listener: refused, rather than given to whoever listens
    code.emit(end());

    code.emit(copy(1, kContext));
    code.emit(copy(2, kSocket));
    code.emit(set(3, 0));
    code.emit(call(BPF_FUNC_sk_assign));
    code.emit(copy(kOutcome, 0));
    code.emit(copy(1, kSocket));
    code.emit(call(BPF_FUNC_sk_release));
    code.jump(BPF_JNE, kOutcome, 0, Label::kDrop);
    code.place(Label::kPass);
    code.emit(set(0, SK_PASS));
    code.emit(end());
    code.place(Label::kDrop);
    code.emit(set(0, SK_DROP));
    code.emit(end());
    return code.finish();
}

Result<Steering> Steering::attach(int listener) {
    OwnFd map = ANCHORHOLD_TRY(make_map(listener));
    const OwnFd program = ANCHORHOLD_TRY(load_program(map.get()));
    const OwnFd name_space = ANCHORHOLD_TRY(sys::open("/proc/self/ns/net", O_RDONLY));
    bpf_attr attributes{};
    attributes.link_create.prog_fd = static_cast<uint32_t>(program.get());
    attributes.link_create.target_fd = static_cast<uint32_t>(name_space.get());
    attributes.link_create.attach_type = BPF_SK_LOOKUP;
    OwnFd link = ANCHORHOLD_TRY(
        bpf(BPF_LINK_CREATE, attributes, "BPF_LINK_CREATE to the network namespace"));
    return Steering(std::move(map), std::move(link));
}

}  // namespace anchorhold::guest_init
