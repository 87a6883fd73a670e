// What the audit tests share: a folder that goes away, its keys, logs and their lines.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "supervisor/audit/audit_log.h"
#include "supervisor/audit/verify.h"

namespace anchorhold::supervisor {

// A fresh folder with an installation's keys, removed at the end.
struct AuditRig {
    AuditRig() {
        std::string pattern = std::filesystem::temp_directory_path() / "audit-test-XXXXXX";
        folder = ::mkdtemp(pattern.data());
        keys = std::make_unique<AuditKeys>(AuditKeys::open_or_create(folder).value());
    }
    ~AuditRig() { std::filesystem::remove_all(folder); }
    AuditRig(const AuditRig&) = delete;
    AuditRig& operator=(const AuditRig&) = delete;

    [[nodiscard]] Result<std::unique_ptr<AuditLog>> open(const std::string& sandbox = "box",
                                                         const Clock* clock = nullptr) const {
        AuditLog::Options options;
        options.folder = folder;
        options.clock = clock;
        return AuditLog::open(*keys, {sandbox, "me", "", "5e3f", ""}, options);
    }
    // A closed log with that many decisions in batches of three.
    void write(int decisions, const std::string& sandbox = "box") const {
        const auto log = open(sandbox).value();
        std::vector<proto::AuditEvent> batch;
        for (int i = 0; i < decisions; ++i) {
            batch.push_back(decision("/" + std::to_string(i)));
            if (batch.size() == 3 || i + 1 == decisions) {
                ASSERT_TRUE(log->append(batch));
                batch.clear();
            }
        }
        ASSERT_TRUE(log->close());
    }
    static proto::AuditEvent decision(const std::string& target) {
        proto::AuditEvent event;
        event.set_time_ns(1'700'000'000'123'456'789);
        event.set_stream(3);
        event.set_request(7);
        proto::RequestDecided& decided = *event.mutable_decision();
        decided.set_protocol("https");
        decided.set_method("GET");
        decided.set_host("api.example");
        decided.set_port(443);
        decided.set_target(target);
        decided.set_rule("read/allow/1");
        decided.set_origin("read.yaml:3:5");
        decided.add_credentials("token");
        return event;
    }

    [[nodiscard]] std::string file(const std::string& name,
                                   const std::string& sandbox = "box") const {
        return folder + "/" + sandbox + "/" + name;
    }
    [[nodiscard]] std::vector<std::string> lines(const std::string& sandbox = "box") const {
        std::ifstream stream(file("log.jsonl", sandbox));
        std::vector<std::string> result;
        for (std::string line; std::getline(stream, line);) {
            result.push_back(line);
        }
        return result;
    }
    void set_lines(const std::vector<std::string>& lines) const {
        std::ofstream stream(file("log.jsonl"));
        for (const std::string& line : lines) {
            stream << line << '\n';
        }
    }
    void append_raw(const std::string& bytes) const {
        std::ofstream(file("log.jsonl"), std::ios::app) << bytes;
    }

    enum class Owner { here, away };
    [[nodiscard]] VerifyReport verify(Owner owner = Owner::here,
                                      std::vector<Anchor> anchors = {}) const {
        const auto key = OwnerKey::read(folder + "/.keys/owner.key").value();
        VerifyOptions options;
        options.signer = keys->signing_public();
        options.owner = owner == Owner::here ? &key : nullptr;
        options.anchors = std::move(anchors);
        return verify_log(folder, "box", std::move(options)).value();
    }

    std::string folder;
    std::unique_ptr<AuditKeys> keys;
};

}  // namespace anchorhold::supervisor
