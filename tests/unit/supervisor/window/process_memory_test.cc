// After secrets were loaded from every source, handed to a proxy, captured from one and handed to
// the next, the supervisor's own memory is searched: no secret in any mapping that a core image
// would have.
#include "supervisor/secrets/process_memory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/core_names.h>
#include <openssl/rand.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <array>
#include <charconv>
#include <fstream>

#include "proxy/credentials/locked_memory.h"
#include "supervisor/secrets/registry.h"
#include "unit/supervisor/temporary_folder.h"
#include "window_rig.h"
#include "x509/certificate.h"

namespace anchorhold::supervisor {
namespace {

constexpr char kMask = 0x5a;
constexpr size_t kSecretSize = 40;

// Before the tests' own use of OpenSSL.
const Status kSealed = seal_process_memory();

// A secret that this test itself has in locked memory only; elsewhere it is masked.
class MaskedSecret {
  public:
    MaskedSecret() : plain_(proxy::LockedMemory::allocate(kSecretSize).value()) {
        const std::span<char> bytes = plain_.bytes().first(kSecretSize);
        EXPECT_EQ(RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), kSecretSize), 1);
        for (char& byte : bytes) {
            byte = static_cast<char>('a' + (static_cast<unsigned char>(byte) % 26));
            masked_.push_back(static_cast<char>(byte ^ kMask));
        }
    }
    explicit MaskedSecret(std::span<const unsigned char> bytes) {
        for (const unsigned char byte : bytes) {
            masked_.push_back(static_cast<char>(static_cast<char>(byte) ^ kMask));
        }
    }
    [[nodiscard]] std::string_view plain() const { return {plain_.bytes().data(), kSecretSize}; }
    [[nodiscard]] const std::string& masked() const { return masked_; }

  private:
    proxy::LockedMemory plain_;
    std::string masked_;
};

struct Mapping {
    uint64_t begin = 0;
    uint64_t end = 0;
    bool readable = false;
    std::string name;
    std::string flags;  // of smaps' VmFlags (proc(5))
};

std::vector<Mapping> own_mappings() {
    std::vector<Mapping> mappings;
    std::ifstream smaps("/proc/self/smaps");
    for (std::string line; std::getline(smaps, line);) {
        if (line.starts_with("VmFlags:")) {
            mappings.back().flags = line.substr(8) + " ";
        } else if (const size_t dash = line.find('-'); dash != std::string::npos &&
                                                       dash < line.find(' ') &&
                                                       line.find(':') > line.find(' ')) {
            Mapping mapping;
            std::from_chars(line.data(), line.data() + dash, mapping.begin, 16);
            std::from_chars(line.data() + dash + 1, line.data() + line.size(), mapping.end, 16);
            mapping.readable = line[line.find(' ') + 1] == 'r';
            mapping.name = line;
            mappings.push_back(std::move(mapping));
        }
    }
    return mappings;
}

// The mappings without "do not dump" that hold the secret in the clear, one a line.
std::string found_in_dumpable_memory(const MaskedSecret& secret) {
    constexpr size_t kChunk = size_t{64} << 10;
    const std::string& masked = secret.masked();
    const proxy::LockedMemory chunk = proxy::LockedMemory::allocate(kChunk).value();
    char* const bytes = chunk.bytes().data();
    const OwnFd memory = sys::open("/proc/self/mem", O_RDONLY).value();
    std::string found;
    for (const Mapping& mapping : own_mappings()) {
        if (!mapping.readable || mapping.flags.find(" dd ") != std::string::npos) {
            continue;
        }
        for (uint64_t at = mapping.begin; at < mapping.end; at += kChunk - masked.size()) {
            const ssize_t got =
                ::pread(memory.get(), bytes, std::min<uint64_t>(kChunk, mapping.end - at),
                        static_cast<off_t>(at));
            const std::span<char> read(bytes, static_cast<size_t>(std::max<ssize_t>(got, 0)));
            const auto same = [](char plain, char hidden) {
                return static_cast<char>(plain ^ kMask) == hidden;
            };
            if (std::search(read.begin(), read.end(), masked.begin(), masked.end(), same) !=
                read.end()) {
                found += mapping.name + "\n";
                break;
            }
        }
    }
    return found;
}

// ProxyReport.minted, written by hand: a message object would leave a copy.
proxy::LockedMemory minted_report(std::string_view name, std::string_view value, size_t& size) {
    proxy::LockedMemory memory = proxy::LockedMemory::allocate(512).value();
    char* at = memory.bytes().data();
    const auto begin = [&](int field, size_t length) {
        *at++ = static_cast<char>(field << 3 | 2);
        *at++ = static_cast<char>(length);  // below 128
    };
    const auto put = [&](int field, std::string_view text) {
        begin(field, text.size());
        at = std::ranges::copy(text, at).out;
    };
    constexpr std::string_view kPlaceholder = "anchorhold-placeholder";
    constexpr std::string_view kBinding = "b/1";
    const size_t secret = 6 + name.size() + value.size() + kPlaceholder.size();
    begin(proto::ProxyReport::kMintedFieldNumber, 4 + secret + kBinding.size());
    begin(proto::Minted::kSecretFieldNumber, secret);
    put(proto::Secret::kNameFieldNumber, name);
    put(proto::Secret::kValueFieldNumber, value);
    put(proto::Secret::kPlaceholderFieldNumber, kPlaceholder);
    put(proto::Minted::kBindingFieldNumber, kBinding);
    size = static_cast<size_t>(at - memory.bytes().data());
    return memory;
}

// Both orders of the root key's private scalar, as a number and as its encoding have it.
std::array<MaskedSecret, 2> root_key_of(const std::string& folder) {
    const proxy::LockedMemory text = proxy::LockedMemory::allocate(4000).value();
    const OwnFd file = sys::open(folder + "/anchorhold/ca/root.key", O_RDONLY).value();
    const size_t size =
        sys::read_some(file.get(), std::as_writable_bytes(text.bytes())).value().value_or(0);
    const x509::OwnKey key = x509::parse_private_key({text.bytes().data(), size}).value();
    BIGNUM* scalar = nullptr;
    EXPECT_EQ(EVP_PKEY_get_bn_param(key.get(), OSSL_PKEY_PARAM_PRIV_KEY, &scalar), 1);
    const proxy::LockedMemory memory = proxy::LockedMemory::allocate(64).value();
    auto* const bytes = reinterpret_cast<unsigned char*>(memory.bytes().data());
    BN_bn2binpad(scalar, bytes, 32);
    BN_bn2lebinpad(scalar, bytes + 32, 32);
    BN_clear_free(scalar);
    return {MaskedSecret(std::span(bytes, 32)), MaskedSecret(std::span(bytes + 32, 32))};
}

WindowSpec spec_of(const TemporaryFolder& folder, const MaskedSecret& in_file,
                   const MaskedSecret& of_command, const MaskedSecret& in_environment) {
    static std::array<char, 64> variable{};  // the environment's own copy
    std::ranges::copy(std::string_view("ANCHORHOLD_TEST_KEY="), variable.begin());
    std::ranges::copy(in_environment.plain(), variable.begin() + 20);
    EXPECT_EQ(::putenv(variable.data()), 0);
    for (const auto& [name, secret] : {std::pair("file", &in_file), {"output", &of_command}}) {
        const OwnFd file = sys::open(folder.path() + "/" + name, O_WRONLY | O_CREAT, 0600).value();
        EXPECT_TRUE(sys::write_all(file.get(), secret->plain()));
    }
    constexpr const char* kRest = ", hosts: [api.example], policies: \"*\"}\n";
    const std::string path = folder.path() + "/secrets.yaml";
    const OwnFd registry_file = sys::open(path, O_WRONLY | O_CREAT, 0600).value();
    EXPECT_TRUE(sys::write_all(
        registry_file.get(),
        fmt::format("secrets:\n  a: {{from: {{file: file}}{0}  b: {{from: {{command: [cat, "
                    "{1}/output]}}{0}  c: {{from: {{environment: ANCHORHOLD_TEST_KEY}}{0}",
                    kRest, folder.path())));
    WindowSpec spec;
    spec.sandbox = "box";
    spec.policy.add_documents()->set_name("p");
    for (const char* name : {"a", "b", "c"}) {
        proto::Binding& binding = *spec.policy.add_bindings();
        binding.set_id(fmt::format("b/{}", spec.policy.bindings_size()));
        binding.set_secret(name);
        binding.set_header("authorization");
        binding.add_hosts()->set_exact("api.example");
    }
    const auto registry = SecretRegistry::load(path);
    EXPECT_TRUE(registry) << registry.error().message;
    auto secrets = registry->resolve(spec.policy);
    EXPECT_TRUE(secrets) << secrets.error().message;
    spec.secrets = std::move(secrets->store);
    return spec;
}

TEST(ProcessMemoryTest, no_secret_is_where_a_core_image_would_have_it) {
    ASSERT_TRUE(kSealed);
    const MaskedSecret in_file;
    const MaskedSecret of_command;
    const MaskedSecret in_environment;
    const MaskedSecret captured;
    const TemporaryFolder folder;
    WindowRig rig(spec_of(folder, in_file, of_command, in_environment));

    size_t size = 0;
    {
        const proxy::LockedMemory report = minted_report("b/1/minted/1", captured.plain(), size);
        const OwnFd stream = rig.say(std::string_view(report.bytes().data(), size));
        const OwnFd end = rig.say("");
        rig.run_until([&] { return rig.changes("died") == 1; });
    }
    const OwnFd next = rig.say("");  // a proxy that is handed all of it again
    rig.run_until([&] { return rig.changes("died") == 2; });

    EXPECT_EQ(found_in_dumpable_memory(in_file), "");
    EXPECT_EQ(found_in_dumpable_memory(of_command), "");
    EXPECT_EQ(found_in_dumpable_memory(in_environment), "");
    EXPECT_EQ(found_in_dumpable_memory(captured), "");
    for (const MaskedSecret& key : root_key_of(rig.folder)) {
        EXPECT_EQ(found_in_dumpable_memory(key), "");
    }
}

TEST(ProcessMemoryTest, search_finds_what_is_there) {
    const MaskedSecret secret;
    const std::string copy(secret.plain());
    EXPECT_NE(found_in_dumpable_memory(secret), "");
}

TEST(ProcessMemoryTest, locked_memory_is_locked_and_in_no_image_and_no_child) {
    const proxy::LockedMemory memory = proxy::LockedMemory::allocate(1).value();
    const auto address = reinterpret_cast<uint64_t>(memory.bytes().data());
    for (const Mapping& mapping : own_mappings()) {
        if (mapping.begin <= address && address < mapping.end) {
            for (const char* flag : {" lo ", " dd ", " wf "}) {
                EXPECT_NE(mapping.flags.find(flag), std::string::npos) << flag << mapping.flags;
            }
            return;
        }
    }
    FAIL() << "it is mapped nowhere";
}

TEST(ProcessMemoryTest, sealed_process_leaves_no_image) {
    ASSERT_TRUE(seal_process_memory());
    EXPECT_EQ(::prctl(PR_GET_DUMPABLE), 0);
    rlimit limit{};
    ASSERT_EQ(::getrlimit(RLIMIT_CORE, &limit), 0);
    EXPECT_EQ(limit.rlim_max, 0U);
    ASSERT_TRUE(seal_process_memory());  // again
}

}  // namespace
}  // namespace anchorhold::supervisor
