package image

// debianInstall has Debian's installer ask nothing. It reads its answers when
// the network is up, so the name must stand here already.
const debianInstall = "auto=true priority=critical url=" + answerAt + "preseed.cfg {{if .Machine.Name}}hostname={{.Machine.Name}}{{end}} " + bootif

// debianKin are Debian, Ubuntu and what is built on them. Live systems come
// before installers, since Debian's carry an installer too.
func debianKin() []row {
	return []row{
		casper(row{
			system: "ubuntu-server", name: "Ubuntu Server, 20.04 and later",
			clues: []clue{{[]string{".disk/info"}, []string{"Ubuntu-Server"}}},
		}),
		casper(row{
			system: "ubuntu-desktop", name: "Ubuntu desktop and its flavours, Mint, Pop!_OS",
			more: casperDesktop,
		}),
		live("clonezilla", "Clonezilla live",
			[]file{need("", "Clonezilla-Live-Version", "live/Clonezilla-Live-Version")},
			"union=overlay config components noswap edd=on nomodeset ocs_live_run=ocs-live-general ocs_live_batch=no net.ifnames=0 nosplash noprompt",
			fromFile("Clonezilla live", "Clonezilla-Live-Version", "live/Clonezilla-Live-Version")),
		live("gparted", "GParted live",
			[]file{need("", "GParted-Live-Version", "live/GParted-Live-Version")},
			"union=overlay config components username=user noswap noprompt",
			fromFile("GParted live", "GParted-Live-Version", "live/GParted-Live-Version")),
		kali(clue{[]string{".disk/info"}, []string{"Kali"}}),
		kali(clue{says: []string{"Kali"}}),
		live("debian-live", "Debian live and what is built with live-build", nil, "components", liveTitle),
		{
			system: "debian", name: "Debian installer: netinst, CD, DVD",
			clues:   []clue{{[]string{".disk/info"}, []string{"Debian GNU/Linux"}}},
			files:   []file{need("", "install.*/vmlinuz", "install/vmlinuz", "install.*/vmlinux")},
			cmdline: "", install: debianInstall,
			answer: AnswerPreseed, way: WayLinux, loaders: linuxLoaders, firmware: both, cpu: cpuUsual,
			secureBoot: "yes", needs: "1 GB of RAM", tried: TriedFiles,
			title: discTitle, more: debianInstaller,
		},
		{
			system: "debian-kin", name: "Installers built on Debian's: Kali and others",
			files: []file{need("", ".disk/info"), need("", "install.*/vmlinuz", "install/vmlinuz", "install.*/linux")},
			way:   WaySANBoot, loaders: httpLoaders, firmware: both,
			secureBoot: asDisk, tried: TriedReading, title: discTitle,
			warnings: []string{"its RAM disk is made for a disc: from the network it starts, but does not find its packages; use the maker's netboot files"},
		},
	}
}

// casper is a live system of Ubuntu's kind, which its initramfs loads whole:
// url= counts only where it ends in .iso (casper, scripts/casper).
func casper(r row) row {
	line := "ip=dhcp url=" + whole + " cloud-config-url=/dev/null " + bootif
	if r.system != "ubuntu-server" {
		line = "boot=casper " + line
	}
	r.files = []file{
		need("kernel", "casper/vmlinuz", "casper/vmlinuz*", "casper_*/vmlinuz*"),
		need("initrd", "casper/initrd", "casper/initrd*", "casper_*/initrd*"),
		need("", "casper/*.squashfs", "casper_*/*.squashfs"),
	}
	// The slash at the end of s= is needed: cloud-init appends user-data.
	r.cmdline, r.install = line, line+" autoinstall ds=nocloud-net;s="+answerAt
	r.answer, r.way, r.loaders, r.firmware, r.cpu = AnswerAutoinstall, WayLinux, linuxLoaders, both, cpuUsual
	r.secureBoot, r.needs, r.tried = otherKey("Canonical"), isoInMemory, TriedReading
	r.title = discTitle
	return r
}

// live is a live system with Debian's live-boot. It reads no ip=dhcp: with
// fetch= it asks by DHCP anyway, and takes what follows ip= for the name of an
// interface (live-boot, 9990-netbase.sh).
func live(system, name string, more []file, words string, title func(*tree) (string, string), clues ...clue) row {
	return row{
		system: system, name: name, clues: clues,
		files: append([]file{
			need("kernel", "live/vmlinuz", "live/vmlinuz*"),
			need("initrd", "live/initrd.img", "live/initrd", "live/initrd*"),
			need("root", "live/filesystem.squashfs", "live/*.squashfs"),
		}, more...),
		cmdline: "boot=live " + words + " fetch=" + inside + "/<root> " + bootif,
		way:     WayLinux, loaders: linuxLoaders, firmware: both, cpu: cpuUsual,
		secureBoot: debianLike, needs: isoInMemory, tried: TriedReading,
		title: title, more: pairInitrd,
	}
}

func kali(where clue) row {
	r := live("kali-live", "Kali live", nil, "components username=kali hostname=kali", liveTitle, where)
	r.secureBoot = unsigned
	return r
}
