// Package record makes the record of a boot: it turns what is heard and sent
// into steps, and joins the steps of one attempt of one machine, whoever says
// them: firmware, iPXE, the operating system, TFTP and HTTP reads. The server
// and "hobnail explain" use it alike. It is pure: the time comes with each
// step.
package record
