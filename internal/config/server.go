package config

import "hobnail/internal/model"

func (d *draft) readServer(s section) {
	c := &d.cfg.Server
	if v, ok := one(s, "name", parseName); ok {
		c.Name = v.v
	}
	if v, ok := one(s, "data", parseAbsolute); ok {
		c.Data = v.v
		c.NBP = v.v + "/nbp"
	}
	if v, ok := one(s, "nbp", pathUnder(c.Data)); ok {
		c.NBP = v.v
	}
	if v, ok := one(s, "landlock", parseSwitch); ok {
		c.Landlock = v.v
	}
	c.DBX = values(some(s, "dbx", pathUnder(c.Data)))
	c.AllowRevoked = values(some(s, "allow_revoked", parseProgram))
	c.Interfaces = values(some(s, "interfaces", parseInterface))
	if v, ok := one(s, "address", parseAddr); ok {
		c.Address = v.v
	}
	if v, ok := one(s, "http", parseListen(`":8080"`)); ok {
		c.HTTP, c.HTTPPort = v.v, httpPort(v.v)
	}
	d.readHTTPS(s)
	if v, ok := one(s, "metrics", parseListen(`"127.0.0.1:9167"`)); ok {
		c.Metrics = v.v
	}
	d.readConsole(s)
	d.dhcp = located[model.Mode]{v: c.DHCP}
	if v, ok := one(s, "dhcp", parseMode); ok {
		c.DHCP, c.DHCPAt = v.v, d.src.at(v.at)
		d.dhcp = v
	}
	d.upstream = d.servers(s, "upstream")
	c.Upstream = values(d.upstream)
	c.Options = d.readOptions(s)
	if v, ok := one(s, "share", parseShare); ok {
		c.Share = v.v
	}
}

func (d *draft) readHTTPS(s section) {
	c := &d.cfg.Server
	if v, ok := one(s, "https", parseListen(`":8443"`)); ok {
		c.HTTPS, c.HTTPSPort = v.v, httpPort(v.v)
		if v.v != "off" && v.v == c.HTTP {
			d.report.add(v.at, "https %s is where http listens; give it another port, such as :8443", quote(v.v))
		}
	}
	c.HTTPSNames = values(some(s, "https_names", parseHost))
	file := pathUnder(c.Data)
	cert, haveCert := one(s, "certificate", file)
	key, haveKey := one(s, "certificate_key", file)
	switch {
	case haveCert && !s.has("certificate_key"):
		d.report.add(cert.at, "certificate %s is without its key; name that as certificate_key = %s", quote(cert.v), s.example("certificate_key"))
	case haveKey && !s.has("certificate"):
		d.report.add(key.at, "certificate_key %s is without its certificate; name that as certificate = %s", quote(key.v), s.example("certificate"))
	}
	c.Certificate, c.CertificateKey = cert.v, key.v
}

// readConsole reads who may see the console: a word, or networks.
func (d *draft) readConsole(s section) {
	c := &d.cfg.Server.Console
	alone := true
	if e, ok := s.table.entries["console"]; ok {
		alone = len(e.val.items) < 2
	}
	for _, w := range some(s, "console", parseWatcher) {
		switch {
		case w.v.word == "":
			c.Networks = append(c.Networks, w.v.network)
		case !alone:
			d.report.add(w.at, "console %s stands beside others; allowed are off or loopback alone, or a list of networks", quote(w.v.word))
		}
		c.Off = c.Off || w.v.word == consoleOff
	}
	c.Names = values(some(s, "console_names", parseHostName))
}

func (d *draft) readBoot(s section) {
	c := &d.cfg.Boot
	if v, ok := d.target(s, "unknown", model.TargetMenu, model.TargetLocal, model.TargetDeny, model.TargetApprove); ok {
		c.Unknown, c.UnknownAt = v.v, d.src.at(v.at)
	}
	if v, ok := d.target(s, "default", model.TargetLocal); ok {
		c.Default = v.v
	}
	if v, ok := one(s, "timeout", parseTimeout); ok {
		c.Timeout = v.v
	}
	if v, ok := one(s, "local", parseLocalWay); ok {
		c.Local = v.v
	}
	if v, ok := one(s, "offer", parseStyle); ok {
		c.Offer, c.OfferAt = v.v, d.src.at(v.at)
	}
	if v, ok := one(s, "learn", parseSwitch); ok {
		c.Learn, c.LearnAt = v.v, d.src.at(v.at)
	}
}
