from tests.state.conftest import lite, maria, mariadb_server, state

__all__ = ["lite", "maria", "mariadb_server", "state"]
