package handover

import (
	"fmt"
	"strings"
)

// WindowsDHCP writes boot data for the DHCP server of Windows, in PowerShell:
// vendor and user classes, and a policy for each in each scope. That server
// tells architectures by the text of option 60, which repeats option 93.
func (d *DHCP) WindowsDHCP() string {
	var w writer
	d.head(&w, "# ", "Windows Server",
		"Run it in a PowerShell of an administrator on the DHCP server, Windows Server 2012 or newer.",
		"Policies of the names below are made anew.")
	w.line("$ErrorActionPreference = 'Stop'")
	w.line("$scopes = " + d.scopes())
	w.line("$class = @{}")
	w.line("function Add-Class($Name, $Type, $Data) {")
	w.line("  # Another name may have the data already, and there can be only one.")
	w.line("  $have = @(Get-DhcpServerv4Class -Type $Type | Where-Object { $_.AsciiData -ceq $Data -or $_.Name -eq $Name })")
	w.line("  if ($have.Count -eq 0) { Add-DhcpServerv4Class -Name $Name -Type $Type -Data $Data; $class[$Name] = $Name }")
	w.line("  else { $class[$Name] = $have[0].Name }")
	w.line("}")
	w.line("if (-not (Get-DhcpServerv4OptionDefinition | Where-Object { $_.OptionId -eq 60 -and -not $_.VendorClass })) {")
	w.line("  Add-DhcpServerv4OptionDefinition -OptionId 60 -Name 'Vendor class' -Type String")
	w.line("}")
	w.line("Add-Class 'hobnail-ipxe' 'User' 'iPXE'")
	policies := d.windowsPolicies()
	for _, p := range policies {
		if p.user == "" {
			w.linef("Add-Class %s 'Vendor' %s", psText(p.name), psText(p.vendor))
		}
	}
	w.line("foreach ($scope in $scopes) {")
	w.line("  Get-DhcpServerv4Policy -ScopeId $scope | Where-Object { $_.Name -like 'hobnail-*' } | Remove-DhcpServerv4Policy -ScopeId $scope")
	for _, p := range policies {
		p.write(&w)
	}
	w.line("}")
	return w.String()
}

// scopes lists the networks' own addresses, which Windows names scopes by.
func (d *DHCP) scopes() string {
	var all []string
	for _, n := range d.Site.Networks {
		all = append(all, psText(n.CIDR.Masked().Addr().String()))
	}
	return "@(" + strings.Join(all, ", ") + ")"
}

// windowsPolicy is one policy of a scope. Where several hold for a machine,
// the first that sets an option counts, so iPXE's are made first.
type windowsPolicy struct {
	name, user, vendor string
	boot               Boot
}

func (d *DHCP) windowsPolicies() []windowsPolicy {
	var all []windowsPolicy
	for _, b := range d.Boots {
		class := "PXEClient"
		switch b.Client {
		case ClientHTTP:
			class = "HTTPClient"
		case ClientUBoot:
			continue // its option 60 is no PXEClient
		}
		for _, c := range b.Codes {
			p := windowsPolicy{name: b.Name, vendor: fmt.Sprintf("%s:Arch:%05d", class, c), boot: b}
			if len(b.Codes) > 1 {
				p.name += fmt.Sprintf("-%d", c)
			}
			if b.Client == ClientIPXE {
				p.user = "hobnail-ipxe"
			}
			all = append(all, p)
		}
	}
	return all
}

// vendorClass is the class that a policy looks for: iPXE's share that of the
// firmware they run on.
func (p windowsPolicy) vendorClass() string {
	return strings.Replace(p.name, "hobnail-ipxe-", "hobnail-", 1)
}

func (p windowsPolicy) write(w *writer) {
	// The asterisk has the server compare beginnings.
	starts := func(name string) string { return "($class[" + psText(name) + "] + '*')" }
	condition := "-Condition Or -VendorClass EQ," + starts(p.vendorClass())
	if p.user != "" {
		condition = "-Condition And -UserClass EQ," + starts(p.user) + " -VendorClass EQ," + starts(p.vendorClass())
	}
	w.linef("  Add-DhcpServerv4Policy -ScopeId $scope -Name %s %s # %s", psText(p.name), condition, p.boot.Why)
	value := func(option int, text string) {
		w.linef("  Set-DhcpServerv4OptionValue -ScopeId $scope -PolicyName %s -OptionId %d -Value %s", psText(p.name), option, psText(text))
	}
	if p.boot.Client == ClientHTTP {
		value(60, "HTTPClient")
	}
	if p.boot.Next.IsValid() {
		value(66, p.boot.Next.String())
	}
	value(67, p.boot.File)
}
