"""XML-RPC: the methods of Haizea 1.x, and a second family in OpenNebula's style for everything that REST offers."""

from haizea.api.xmlrpc.app import XmlRpcApi, XmlRpcOptions, make_xmlrpc_app

__all__ = ["XmlRpcApi", "XmlRpcOptions", "make_xmlrpc_app"]
