# Two commands matter: make run, and make test. The rest are their parts.

SHELL       := /bin/bash
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOTESTSUM := gotest.tools/gotestsum@v1.13.0
NBP         := internal/nbp/embedded/nbp.zip
PE          := $(foreach arch,amd64 arm64,internal/peagent/embedded/programs/hobnail-pe-$(arch).exe.gz)

# Which tests of the lab: make lab LAB=TestMatrix/04
LAB ?= .
# What the lab tells meanwhile: testname, or standard-verbose for everything
SHOW ?= testname
# Which machine make demo switches on
KIND ?= uefi-x64-secure
# Which parts make bench runs, and how often: make bench BENCH=dora ROUNDS=5
BENCH ?=
ROUNDS ?= 5
# How often make proof-kills and proof-history kill
KILLS ?= 1000
# How long proof-chaos troubles two servers
MINUTES ?= 10
# How many machines proof-storm boots
BOOTS ?= 5000
# Which boots proof-verdicts plays, a regular expression: make proof-verdicts ROWS=^ovmf
ROWS ?=
# How many histories proof-sim plays
SEEDS ?= 10000
# How large the capture of proof-explain is, in MiB
CAPTURE ?= 1024
# How long each fuzz target runs: make fuzz FUZZTIME=1m
FUZZTIME ?= 10s

DHCP_FUZZ := FuzzParse ./internal/wire/dhcp4 FuzzParseVendorOptions ./internal/wire/pxe \
	FuzzParseIPXE ./internal/wire/pxe FuzzClasses ./internal/wire/pxe FuzzPacketInReplyOut ./internal/serve/dhcp \
	FuzzSiteAnswerInReplyOut ./internal/serve/dhcp

.PHONY: run build test lint unit interop lab demo bench fuzz fuzz-dhcp fuzz-slice proof-power proof-kills proof-chaos proof-sim proof-verdicts proof-storm proof-loss proof-history proof-explain proof-install clean setup-run setup-test setup-bench

run: setup-run build ## serve on every interface, beside the DHCP server that is there
	@if [ "$$(id -u)" -eq 0 ]; then exec ./hobnail serve; else exec sudo ./hobnail serve; fi

build: $(NBP) $(PE) ## leave ./hobnail
	CGO_ENABLED=0 go build -trimpath -o hobnail ./cmd/hobnail

test: setup-test build lint unit proof-sim interop lab fuzz-slice ## everything that is tested

setup-run setup-test setup-bench:
	@scripts/setup $(@:setup-%=%)

# The packer is package nbp too: a change of it may change the archive.
$(NBP): scripts/fetch-nbp scripts/grub-proxy.cfg $(wildcard internal/nbp/pack/*.go) $(filter-out %_test.go,$(wildcard internal/nbp/*.go))
	scripts/fetch-nbp build/nbp
	go run ./internal/nbp/pack build/nbp $@

# The agent for Windows PE, which hobnail puts into the boot.wim it serves.
$(PE): internal/peagent/embedded/programs/hobnail-pe-%.exe.gz: $(filter-out %_test.go,$(wildcard cmd/hobnail-pe/*.go internal/peagent/*.go)) go.mod
	@mkdir -p build/pe
	GOOS=windows GOARCH=$* CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -buildid=' -o build/pe/hobnail-pe-$*.exe ./cmd/hobnail-pe
	gzip -9 -n -c build/pe/hobnail-pe-$*.exe >build/pe/$*.gz
	mv build/pe/$*.gz $@

lint:
	@unformatted=$$(gofmt -l cmd internal); if [ -n "$$unformatted" ]; then echo "not formatted by gofmt: $$unformatted" >&2; exit 1; fi
	go vet ./...
	go vet -tags interop,lab,install ./...
	GOOS=windows go vet ./cmd/hobnail-pe
	go run $(STATICCHECK) -tags interop,lab,install ./...

unit: build
	go test -race ./...

interop: build ## against other people's clients and tools
	go test -tags interop -run Interop ./internal/...

# Most of its tests wait for packets; machines with firmware take turns by
# themselves.
lab: build ## real firmware, real relays, real other servers; needs root
	@if [ "$$(id -u)" -eq 0 ]; then sudo=; else sudo="sudo env PATH=$$PATH"; fi; \
	$$sudo go run $(GOTESTSUM) --format $(SHOW) -- -tags lab -count=1 -parallel 12 -timeout 60m -run '$(LAB)' ./internal/lab/...

proof-install: setup-test build ## machines install Debian by themselves and run it from their disks; needs root
	@if [ "$$(id -u)" -eq 0 ]; then sudo=; else sudo="sudo env PATH=$$PATH"; fi; \
	$$sudo go test -tags lab,install -count=1 -timeout 2h -v -run '^TestDebian' ./internal/lab

demo: setup-test build ## one boot, to look at: make demo KIND=bios
	@if [ "$$(id -u)" -eq 0 ]; then sudo=; else sudo="sudo env PATH=$$PATH"; fi; $$sudo go run ./internal/lab/demo -kind $(KIND)

bench: setup-bench build ## hobnail beside other servers; needs root and a machine that does nothing else
	@if [ "$$(id -u)" -eq 0 ]; then sudo=; else sudo="sudo env PATH=$$PATH"; fi; \
	go build -o build/bench ./internal/bench && $$sudo build/bench $(if $(BENCH),-only $(BENCH)) -rounds $(ROUNDS)

fuzz: ## every fuzz target for FUZZTIME: 1m, or 10000000x for so many executions
	@scripts/fuzz $(FUZZTIME)

fuzz-dhcp: ## the decoders of DHCP and PXE, and "packet in, reply out", each for FUZZTIME
	@scripts/fuzz $(FUZZTIME) $(DHCP_FUZZ)

fuzz-slice: FUZZTIME = 20s
fuzz-slice: fuzz-dhcp

proof-power: ## power cuts, full and failing disks, at every step of the lease log
	go test -count=1 -v -run 'TestPowerCuts|TestFaultAtEveryStep|TestFullDiskForAWhile' ./internal/lease

proof-kills: build ## the server killed KILLS times under 200 exchanges a second; needs root
	@if [ "$$(id -u)" -eq 0 ]; then sudo=; else sudo="sudo env PATH=$$PATH"; fi; \
	$$sudo env HOBNAIL_KILLS=$(KILLS) go test -tags lab -count=1 -timeout 2h -v -run TestKills ./internal/lab

proof-chaos: build ## two servers, killed, restarted and cut off for MINUTES under load; needs root
	@if [ "$$(id -u)" -eq 0 ]; then sudo=; else sudo="sudo env PATH=$$PATH"; fi; \
	$$sudo env HOBNAIL_CHAOS=$(MINUTES) go test -tags lab -count=1 -timeout 2h -v -run TestChaos ./internal/lab

proof-history: ## a process that keeps boots killed KILLS times under load; twenty times in make unit
	HOBNAIL_HISTORY_KILLS=$(KILLS) go test -count=1 -timeout 2h -v -run TestKills ./internal/history

proof-storm: build ## BOOTS machines that boot at once: each leaves the right record, and what that costs; needs root
	@if [ "$$(id -u)" -eq 0 ]; then sudo=; else sudo="sudo env PATH=$$PATH"; fi; \
	$$sudo env HOBNAIL_STORM=$(BOOTS) go test -tags lab -count=1 -timeout 1h -v -run 'TestStorm$$' ./internal/lab

proof-loss: build ## firmware and loaders behind links that lose 0, 1 and 5 %; needs root
	@if [ "$$(id -u)" -eq 0 ]; then sudo=; else sudo="sudo env PATH=$$PATH"; fi; \
	$$sudo env HOBNAIL_LOSS=all go test -tags lab -count=1 -timeout 1h -v -run TestFirmwareOnABadLink ./internal/lab

proof-verdicts: build ## boots that go wrong, each of which must get the right verdict; needs root
	@if [ "$$(id -u)" -eq 0 ]; then sudo=; else sudo="sudo env PATH=$$PATH"; fi; \
	$$sudo env HOBNAIL_ROWS='$(ROWS)' go test -tags lab -count=1 -timeout 1h -v -run TestVerdicts ./internal/lab

proof-sim: ## SEEDS histories of servers, machines, networks, clocks and disks, by chance
	go test -count=1 -timeout 12h -v -run TestSeeds ./internal/dhcpsim -seeds $(SEEDS)

proof-explain: ## a capture of CAPTURE MiB: how fast it is read, in how much memory
	go test -count=1 -timeout 1h -v -run TestBigCapture ./internal/capture -size $(CAPTURE)

clean:
	rm -rf hobnail build $(NBP) $(PE)
